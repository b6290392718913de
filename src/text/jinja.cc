// text/jinja.cc -- templates: texts, {{ outputs }} and {% statements %}.
#include "text/jinja.h"

#include <algorithm>

#include "base/error.h"
#include "text/jinja_value.h"

namespace mop {
namespace jinja {
namespace {

/// What a statement tells the loop around it.
enum class Flow { kOn, kBreak, kContinue };
using Statement = std::function<Flow(Scope&, std::string& out)>;
using Block = std::vector<Statement>;

struct Segment {
  enum class Kind { kText, kOutput, kStatement } kind;
  std::string text;
  int line;
};

// Where the tag that begins at `begin` ends, past texts in quotes and braces of its own.
size_t end_of_tag(const std::string& source, size_t begin, char close) {
  int depth = 0;
  char quote = 0;
  for (size_t at = begin; at + 1 < source.size(); ++at) {
    const char c = source[at];
    if (quote != 0) {
      if (c == '\\') ++at;
      if (c == quote) quote = 0;
    } else if (c == '"' || c == '\'') {
      quote = c;
    } else if (depth == 0 && c == close && source[at + 1] == '}') {
      return at;
    } else if (c == '{') {
      ++depth;
    } else if (c == '}') {
      --depth;
    }
  }
  throw bad_input("a tag is not closed");
}

// Cuts a template into segments, with the blanks that Jinja's settings take away.
class Cutter {
 public:
  explicit Cutter(std::string source) : source_(std::move(source)) {
    size_t kept = 0;  // every kind of line end is "\n", and the last one goes
    for (size_t i = 0; i < source_.size(); ++i) {
      if (source_[i] == '\r' && i + 1 < source_.size() && source_[i + 1] == '\n') continue;
      source_[kept++] = source_[i] == '\r' ? '\n' : source_[i];
    }
    source_.resize(kept);
    if (source_.ends_with('\n')) source_.pop_back();
  }

  std::vector<Segment> cut() {
    while (at_ < source_.size()) {
      const size_t tag = next_tag();
      add_text(tag);
      if (tag == source_.size()) break;
      add_tag(tag);
    }
    return std::move(segments_);
  }

  int line_of(size_t at) const {
    return 1 + static_cast<int>(
                   std::count(source_.begin(), source_.begin() + static_cast<ptrdiff_t>(at), '\n'));
  }
  size_t at() const { return at_; }

 private:
  size_t next_tag() const {
    for (size_t at = source_.find('{', at_); at != source_.npos; at = source_.find('{', at + 1)) {
      const char kind = at + 1 < source_.size() ? source_[at + 1] : ' ';
      if (kind == '{' || kind == '%' || kind == '#') return at;
    }
    return source_.size();
  }

  // The text before a tag. `{%-` takes all blanks before it, a statement those of its own line.
  void add_text(size_t tag) {
    std::string text = source_.substr(at_, tag - at_);
    if (strip_next_) text.erase(0, std::min(text.find_first_not_of(" \t\r\n"), text.size()));
    if (drop_newline_ && text.starts_with('\n')) text.erase(0, 1);
    const char modifier = tag + 2 < source_.size() ? source_[tag + 2] : ' ';
    if (tag < source_.size() && modifier == '-') {
      text.erase(text.find_last_not_of(" \t\r\n") + 1);
    } else if (tag < source_.size() && source_[tag + 1] != '{' && modifier != '+') {
      const size_t last = text.find_last_not_of(" \t");
      const bool at_line_start = last == text.npos ? at_ == 0 || source_[at_ - 1] == '\n' ||
                                                         (drop_newline_ && source_[at_] == '\n')
                                                   : text[last] == '\n';
      if (at_line_start) text.erase(last + 1);
    }
    if (!text.empty()) segments_.push_back({Segment::Kind::kText, text, line_of(at_)});
    at_ = tag;
  }

  void add_tag(size_t tag) {
    const char kind = source_[tag + 1];
    const char close = kind == '{' ? '}' : kind;
    size_t begin = tag + 2;
    size_t end = kind == '#' ? source_.find("#}", begin) : end_of_tag(source_, begin, close);
    if (end == source_.npos) throw bad_input("a comment is not closed");
    at_ = end + 2;
    if (begin < end && (source_[begin] == '-' || source_[begin] == '+')) ++begin;
    strip_next_ = end > begin && source_[end - 1] == '-';
    const bool keep = end > begin && source_[end - 1] == '+' && kind != '{';
    if (strip_next_ || keep) --end;
    drop_newline_ = kind != '{' && !strip_next_ && !keep;
    if (kind == '#') return;
    segments_.push_back({kind == '{' ? Segment::Kind::kOutput : Segment::Kind::kStatement,
                         source_.substr(begin, end - begin), line_of(tag)});
  }

  std::string source_;
  size_t at_ = 0;
  bool strip_next_ = false, drop_newline_ = false;
  std::vector<Segment> segments_;
};

Flow run(const Block& block, Scope& scope, std::string& out) {
  for (const Statement& statement : block) {
    const Flow flow = statement(scope, out);
    if (flow != Flow::kOn) return flow;
  }
  return Flow::kOn;
}

// Errors of a statement say where it stands; the innermost says it first.
Statement at_line(int line, Statement statement) {
  return [line, statement = std::move(statement)](Scope& scope, std::string& out) {
    try {
      return statement(scope, out);
    } catch (const Error& e) {
      if (std::string_view(e.what()).find("template line:") != std::string_view::npos) throw;
      throw Error(e).where("template line", std::to_string(line));
    } catch (const Json::exception& e) {
      throw bad_input("the chat template expects values of another type: {}", e.what())
          .where("template line", std::to_string(line));
    }
  };
}

// Compiles segments; a block ends at one of the words that the caller waits for.
class Compiler {
 public:
  explicit Compiler(std::vector<Segment> segments) : segments_(std::move(segments)) {}

  Block all() {
    Block block = read({});
    return block;
  }
  int line() const {
    return segments_.empty()
               ? 1
               : segments_[std::min(at_ == 0 ? 0 : at_ - 1, segments_.size() - 1)].line;
  }

 private:
  // `end` receives the reader behind the word that ended the block.
  Block read(const std::vector<std::string>& ends, Reader* end = nullptr) {
    Block block;
    while (at_ < segments_.size()) {
      const Segment& segment = segments_[at_++];
      if (segment.kind == Segment::Kind::kText) {
        block.push_back([text = segment.text](Scope&, std::string& out) {
          out += text;
          return Flow::kOn;
        });
        continue;
      }
      Reader in(segment.text, segment.line);
      if (segment.kind == Segment::Kind::kOutput) {
        block.push_back(at_line(segment.line, output(in)));
        continue;
      }
      if (std::find(ends.begin(), ends.end(), in.peek().text) != ends.end()) {
        if (end != nullptr) *end = in;
        return block;
      }
      const int line = segment.line;
      Statement made = statement(in);
      block.push_back(at_line(line, std::move(made)));
    }
    if (!ends.empty()) throw bad_input("'{}' is missing at the end of the template", ends.back());
    return block;
  }

  static void finish(Reader& in) {
    if (!in.at_end()) throw bad_input("'{}' stands where the tag should end", in.peek().text);
  }

  static Statement output(Reader& in) {
    const Expression value = in.expression();
    finish(in);
    return [value](Scope& scope, std::string& out) {
      out += to_text(value(scope));
      return Flow::kOn;
    };
  }

  Statement statement(Reader& in) {
    const std::string word = in.name();
    if (word == "if") return read_if(in);
    if (word == "for") return read_for(in);
    if (word == "set") return read_set(in);
    if (word == "generation") {  // marks what the assistant says; the text is its content
      Block body = read({"endgeneration"});
      return [body](Scope& scope, std::string& out) { return run(body, scope, out); };
    }
    if (word == "break" || word == "continue") {
      return [flow = word == "break" ? Flow::kBreak : Flow::kContinue](Scope&, std::string&) {
        return flow;
      };
    }
    throw bad_input("the statement '{}' is not known", word);
  }

  Statement read_if(Reader& in) {
    std::vector<std::pair<Expression, Block>> branches;
    Reader end("", 0);
    std::string word = "elif";
    while (word != "endif") {
      Expression condition = [](Scope&) { return Value{true, true, nullptr}; };
      if (word != "else") condition = in.expression();
      finish(in);
      Block body = read({"elif", "else", "endif"}, &end);
      branches.emplace_back(std::move(condition), std::move(body));
      word = end.name();
      in = end;
    }
    return [branches](Scope& scope, std::string& out) {
      for (const auto& [condition, body] : branches) {
        if (is_true(condition(scope))) return run(body, scope, out);
      }
      return Flow::kOn;
    };
  }

  static void bind(const std::vector<std::string>& names, const Value& value, Scope& scope) {
    if (names.size() == 1) return scope.set(names[0], value);
    const std::vector<Value> parts = elements(value);
    if (parts.size() != names.size())
      throw bad_input("{} values cannot be given {} names", parts.size(), names.size());
    for (size_t i = 0; i < names.size(); ++i) scope.set(names[i], parts[i]);
  }

  static Json loop_state(const std::vector<Value>& items, size_t i) {
    Json loop = {{"index", i + 1},
                 {"index0", i},
                 {"first", i == 0},
                 {"last", i + 1 == items.size()},
                 {"length", items.size()},
                 {"revindex", items.size() - i},
                 {"revindex0", items.size() - i - 1}};
    if (i > 0) loop["previtem"] = items[i - 1].json;
    if (i + 1 < items.size()) loop["nextitem"] = items[i + 1].json;
    return loop;
  }

  Statement read_for(Reader& in) {
    std::vector<std::string> names = {in.name()};
    while (in.take(",")) names.push_back(in.name());
    in.expect("in");
    const Expression list = in.expression(/*conditional=*/false);
    const Expression wanted = in.take("if") ? in.expression() : Expression();
    finish(in);
    Reader end("", 0);
    const Block body = read({"else", "endfor"}, &end);
    const Block otherwise = end.name() == "else" ? read({"endfor"}) : Block();
    return [=](Scope& scope, std::string& out) {
      std::vector<Value> items;
      for (Value& value : elements(list(scope))) {
        Scope inner(&scope);
        bind(names, value, inner);
        if (!wanted || is_true(wanted(inner))) items.push_back(std::move(value));
      }
      for (size_t i = 0; i < items.size(); ++i) {
        Scope inner(&scope);
        bind(names, items[i], inner);
        inner.set("loop", {loop_state(items, i), true, nullptr});
        if (run(body, inner, out) == Flow::kBreak) break;
      }
      return items.empty() ? run(otherwise, scope, out) : Flow::kOn;
    };
  }

  // `set a = b`, `set ns.a = b`, and `set a`...`endset`.
  Statement read_set(Reader& in) {
    const std::string name = in.name();
    const std::string member = in.take(".") ? in.name() : "";
    if (in.at_end() && member.empty()) {
      const Block body = read({"endset"});
      return [name, body](Scope& scope, std::string&) {
        std::string text;
        const Flow flow = run(body, scope, text);
        scope.set(name, {text, true, nullptr});
        return flow;
      };
    }
    in.expect("=");
    const Expression value = in.expression();
    finish(in);
    return [name, member, value](Scope& scope, std::string&) {
      if (member.empty()) {
        scope.set(name, value(scope));
        return Flow::kOn;
      }
      const Value target = scope.get(name);
      if (!target.shared) throw bad_input("'{}' is no namespace, it cannot be changed", name);
      (*target.shared)[member] = value(scope).json;
      return Flow::kOn;
    };
  }

  std::vector<Segment> segments_;
  size_t at_ = 0;
};

}  // namespace
}  // namespace jinja

struct JinjaTemplate::Program {
  jinja::Block block;
};

JinjaTemplate::JinjaTemplate(const std::string& source) {
  jinja::Cutter cutter(source);
  std::vector<jinja::Segment> segments;
  try {
    segments = cutter.cut();
  } catch (Error& e) {
    throw std::move(e).where("template line", std::to_string(cutter.line_of(cutter.at())));
  }
  jinja::Compiler compiler(std::move(segments));
  try {
    program_ = std::make_unique<Program>(Program{compiler.all()});
  } catch (Error& e) {
    throw std::move(e)
        .where("template line", std::to_string(compiler.line()))
        .hint("we read the part of Jinja that most chat templates use, see docs/formats.md");
  }
}

JinjaTemplate::~JinjaTemplate() = default;
JinjaTemplate::JinjaTemplate(JinjaTemplate&&) noexcept = default;

std::string JinjaTemplate::render(const Json& variables) const {
  jinja::Scope globals;
  for (const auto& [name, value] : variables.items()) globals.set(name, {value, true, nullptr});
  std::string out;
  jinja::run(program_->block, globals, out);
  return out;
}

}  // namespace mop
