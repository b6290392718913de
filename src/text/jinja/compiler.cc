// text/jinja/compiler.cc
#include "text/jinja/compiler.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "text/jinja/for.h"
#include "text/jinja/objects.h"
#include "text/jinja/reader.h"
#include "text/jinja/tables.h"

namespace mop::jinja {

namespace {

// Appends to a text that grows: the whole text, or one that becomes a value.
void append(std::string_view text, std::string& out) {
  Work::check_length(out.size() + text.size());
  Work::make_text(text.size());
  out += text;
}

// Renders a block to a string, in a new scope.
std::string text_of(const Block& block, Scope& outer) {
  const auto scope = outer.inner();
  std::string out;
  run(block, *scope, out);
  return out;
}

// Adds the line of a statement to its errors; the innermost statement adds it first.
Statement at_line(int line, Statement statement) {
  return [line, statement = std::move(statement)](Scope& scope, std::string& out) {
    try {
      return statement(scope, out);
    } catch (const Error& e) {
      if (std::string_view(e.what()).find("template line:") != std::string_view::npos) throw;
      throw Error(e).where("template line", std::to_string(line));
    }
  };
}

using Filters = std::vector<std::pair<std::string, ArgumentList>>;

Filters read_filters(Reader& in) {
  Filters filters = {in.filter()};
  while (in.take("|")) filters.push_back(in.filter());
  return filters;
}

Value filtered(Value value, const Filters& filters, Scope& scope) {
  for (const auto& [name, list] : filters) {
    value = apply_filter(name, value, evaluate(list, scope));
  }
  return value;
}

// Compiles segments. A block ends at one of the words in `ends`.
class Compiler {
 public:
  explicit Compiler(std::vector<Segment> segments) : segments_(std::move(segments)) {}

  Block all() { return read({}); }
  int line() const { return segments_.empty() ? 1 : segments_[at_ == 0 ? 0 : at_ - 1].line; }
  bool marks_generation() const { return marks_generation_; }

 private:
  // `end` receives the reader at the word that ended the block.
  Block read(const Names& ends, Reader* end = nullptr) {
    static constexpr int kDeepestBlock = 200;
    if (++depth_ > kDeepestBlock)
      throw bad_input("blocks are nested more than {} deep", kDeepestBlock);
    Block block;
    for (bool ended = false; !ended;) {
      if (at_ == segments_.size()) {
        if (ends.empty()) break;
        throw bad_input("'{}' is missing at the end of the template", ends.back());
      }
      ended = read_segment(ends, block, end);
    }
    --depth_;
    return block;
  }

  // Adds the next segment to the block; returns true when it is one of `ends`.
  bool read_segment(const Names& ends, Block& block, Reader* end) {
    const Segment& segment = segments_[at_++];
    const int line = segment.line;
    if (segment.kind == Segment::Kind::kText) {
      block.push_back([text = segment.text](Scope&, std::string& out) {
        append(text, out);
        return Flow::kNext;
      });
      return false;
    }
    Reader in(segment.text);
    if (segment.kind == Segment::Kind::kOutput) {
      block.push_back(at_line(line, output(in)));
      return false;
    }
    if (std::find(ends.begin(), ends.end(), in.peek().text) != ends.end()) {
      if (end != nullptr) *end = in;
      return true;
    }
    Statement made = statement(in);
    block.push_back(at_line(line, std::move(made)));
    return false;
  }

  Block read_to(const char* end) { return read({end}); }

  static void finish(Reader& in) {
    if (!in.at_end()) throw bad_input("expected the end of the tag, got '{}'", in.peek().text);
  }

  static Statement output(Reader& in) {
    const Expression value = in.expressions();
    finish(in);
    return [value](Scope& scope, std::string& out) {
      append(to_text(value(scope)), out);
      return Flow::kNext;
    };
  }

  Statement statement(Reader& in) {
    const std::string word = in.name();
    if (word == "if") return read_if(in);
    if (word == "for") return read_for(in);
    if (word == "set") return read_set(in);
    if (word == "macro") return read_macro(in);
    if (word == "call") return read_call(in);
    if (word == "filter") return read_filter(in);
    if (word == "with") return read_with(in);
    if (word == "generation") return read_generation(in);
    if (word == "print") return output(in);
    if (word == "block") return read_block();
    if (word == "break" || word == "continue") {
      return [flow = word == "break" ? Flow::kBreak : Flow::kContinue](Scope&, std::string&) {
        return flow;
      };
    }
    static const std::set<std::string> kEnds = {"else",    "elif",     "endif",        "endfor",
                                                "endset",  "endmacro", "endcall",      "endfilter",
                                                "endwith", "endblock", "endgeneration"};
    if (kEnds.contains(word)) throw bad_input("'{}' does not close an open block", word);
    return [word](Scope&, std::string&) -> Flow {
      throw bad_input("the statement '{}' is not known", word);
    };
  }

  Statement read_if(Reader& in) {
    std::vector<std::pair<Expression, Block>> branches;
    Reader end("");
    std::string word = "elif";
    while (word != "endif") {
      Expression condition = [](Scope&) { return Value(true); };
      if (word != "else") condition = in.expressions();
      finish(in);
      Block body = word == "else" ? read({"endif"}, &end) : read({"elif", "else", "endif"}, &end);
      branches.emplace_back(std::move(condition), std::move(body));
      word = end.name();
      in = end;
    }
    return [branches = std::move(branches)](Scope& scope, std::string& out) {
      for (const auto& [condition, body] : branches) {
        if (is_true(condition(scope))) return run(body, scope, out);
      }
      return Flow::kNext;
    };
  }

  // `a`, `a, b`, `(a, b)`
  static Names read_names(Reader& in) {
    const bool brackets = in.take("(");
    Names names = {in.name()};
    while (in.take(",")) names.push_back(in.name());
    if (brackets) in.expect(")");
    return names;
  }

  Statement read_for(Reader& in) {
    const auto loop = std::make_shared<For>();
    loop->names = read_names(in);
    in.expect("in");
    loop->list = in.expressions(/*conditional=*/false);
    if (in.take("if")) loop->wanted = in.expression();
    loop->recursive = in.take("recursive");
    finish(in);
    Reader end("");
    loop->body = read({"else", "endfor"}, &end);
    if (end.name() == "else") loop->otherwise = read_to("endfor");
    return [loop = std::shared_ptr<const For>(loop)](Scope& scope, std::string& out) {
      return For::run_over(loop, loop->list(scope), scope, 1, out);
    };
  }

  // `set a = b`, `set a, b = c`, `set ns.a = b`, and `set a | filter`...`endset`.
  Statement read_set(Reader& in) {
    if (in.next_is(".", 1)) return read_set_member(in);
    const Names names = read_names(in);
    if (in.take("=")) {
      const Expression value = in.expressions();
      finish(in);
      return [names, value](Scope& scope, std::string&) {
        assign(names, value(scope), scope);
        return Flow::kNext;
      };
    }
    const Filters filters = in.take("|") ? read_filters(in) : Filters();
    finish(in);
    Block body = read_to("endset");
    return [names, filters, body = std::move(body)](Scope& scope, std::string&) {
      assign(names, filtered(text_of(body, scope), filters, scope), scope);
      return Flow::kNext;
    };
  }

  static Statement read_set_member(Reader& in) {
    const std::string name = in.name();
    in.expect(".");
    const std::string member = in.name();
    in.expect("=");
    const Expression value = in.expressions();
    finish(in);
    return [name, member, value](Scope& scope, std::string&) {
      const Value target = scope.get(name);
      if (target.object() == nullptr)
        throw bad_input("'{}' is {}, not a namespace: it cannot be changed", name, target.type());
      target.object()->set(member, value(scope));
      return Flow::kNext;
    };
  }

  static std::vector<Macro::Parameter> read_parameters(Reader& in) {
    std::vector<Macro::Parameter> parameters;
    while (!in.take(")")) {
      const std::string name = in.name();
      parameters.push_back({name, in.take("=") ? in.expression() : Expression()});
      if (!in.next_is(")")) in.expect(",");
    }
    return parameters;
  }

  static Macro::Body body_of(Block block) {
    return [block = std::make_shared<const Block>(std::move(block))](Scope& scope) {
      std::string out;
      run(*block, scope, out);
      return out;
    };
  }

  Statement read_macro(Reader& in) {
    const std::string name = in.name();
    in.expect("(");
    const auto parameters = read_parameters(in);
    finish(in);
    const Macro::Body body = body_of(read_to("endmacro"));
    return [=](Scope& scope, std::string&) {
      scope.set(name, std::shared_ptr<Object>(
                          std::make_shared<Macro>(name, parameters, body, scope.capture())));
      return Flow::kNext;
    };
  }

  // `call(a, b) macro(..)`: the block becomes a macro, `caller` in the called macro.
  Statement read_call(Reader& in) {
    const auto parameters = in.take("(") ? read_parameters(in) : std::vector<Macro::Parameter>();
    std::string callee = in.name();
    Names members;
    while (in.take(".")) members.push_back(in.name());
    in.expect("(");
    const ArgumentList list = in.arguments();
    finish(in);
    const Macro::Body body = body_of(read_to("endcall"));
    return [=](Scope& scope, std::string& out) {
      Value called = scope.get(callee);
      for (const std::string& member : members) called = attribute(called, member);
      Arguments arguments = evaluate(list, scope);
      arguments.named.emplace_back("caller", std::shared_ptr<Object>(std::make_shared<Macro>(
                                                 "caller", parameters, body, scope.capture())));
      append(to_text(call(called, arguments)), out);
      return Flow::kNext;
    };
  }

  Statement read_filter(Reader& in) {
    const Filters filters = read_filters(in);
    finish(in);
    Block body = read_to("endfilter");
    return [filters, body = std::move(body)](Scope& scope, std::string& out) {
      append(to_text(filtered(text_of(body, scope), filters, scope)), out);
      return Flow::kNext;
    };
  }

  Statement read_with(Reader& in) {
    std::vector<std::pair<std::string, Expression>> values;
    while (!in.at_end()) {
      const std::string name = in.name();
      in.expect("=");
      values.emplace_back(name, in.expression());
      if (!in.at_end()) in.expect(",");
    }
    Block body = read_to("endwith");
    return [values, body = std::move(body)](Scope& scope, std::string& out) {
      const auto inner = scope.inner();
      for (const auto& [name, value] : values) inner->set(name, value(scope));
      return run(body, *inner, out);
    };
  }

  // A `generation` block renders its content and notes where: it is the assistant's text. The
  // outermost of several in each other counts.
  Statement read_generation(Reader& in) {
    finish(in);
    marks_generation_ = true;
    Block body = read_to("endgeneration");
    return [body = std::move(body)](Scope& scope, std::string& out) {
      Rendering& rendering = scope.rendering();
      const size_t begin = out.size();
      ++rendering.generations;
      run(body, *scope.inner(), out);
      if (--rendering.generations > 0) return Flow::kNext;
      if (&out == rendering.whole) {
        rendering.generated.emplace_back(begin, out.size());
      } else {
        rendering.lost_generated = true;
      }
      return Flow::kNext;
    };
  }

  // There is no inheritance: a block renders its content.
  Statement read_block() {
    Block body = read_to("endblock");
    return [body = std::move(body)](Scope& scope, std::string& out) {
      return run(body, *scope.inner(), out);
    };
  }

  std::vector<Segment> segments_;
  size_t at_ = 0;
  int depth_ = 0;
  bool marks_generation_ = false;
};

}  // namespace

Compiled compile(const std::string& source) {
  Compiler compiler(cut(source));
  try {
    Block block = compiler.all();
    return {std::move(block), compiler.marks_generation()};
  } catch (Error& e) {
    throw std::move(e).where("template line", std::to_string(compiler.line()));
  }
}

}  // namespace mop::jinja
