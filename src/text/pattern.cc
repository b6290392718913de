// text/pattern.cc
#include "text/pattern.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "base/error.h"
#include "text/expansion.h"
#include "text/unicode.h"

namespace mop {
namespace {

// Classes as in the reference engines. PCRE2 differs: it counts U+180E as space, omits marks and
// connectors from \w, and matches blanks with \h.
constexpr std::string_view kSpace =
    "\\x09-\\x0d\\x20\\x85\\xa0\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{"
    "3000}";
constexpr std::string_view kHex = "0-9a-fA-F";
constexpr std::string_view kWordCharacter =
    "\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{24b6}-\\x{24e9}\\x{1f130}-\\x{1f149}\\x{1f150}-\\x{1f169}"
    "\\x{1f170}-\\x{1f189}";

// Classes of POSIX, "[:name:]" within a class: their names and what is in them.
struct PosixClass {
  std::string_view name, set;
};
constexpr PosixClass kPosixClasses[] = {{"alnum", "\\p{Alphabetic}\\p{Nd}"},
                                        {"alpha", "\\p{Alphabetic}"},
                                        {"ascii", "\\x00-\\x7f"},
                                        {"blank", "\\t\\p{Zs}"},
                                        {"cntrl", "\\p{Cc}"},
                                        {"digit", "\\p{Nd}"},
                                        {"lower", "\\p{Lowercase}"},
                                        {"punct", "\\p{P}\\p{S}"},
                                        {"space", kSpace},
                                        {"upper", "\\p{Uppercase}"},
                                        {"word", kWordCharacter},
                                        {"xdigit", kHex}};

// Writes a regular expression of the reference engines as one of PCRE2: expands \s \S \w \W \h \H
// and classes of POSIX, refuses classes in classes. Negated classes inside [...] remain PCRE2's,
// because a class cannot contain a complement.
class Translation {
 public:
  explicit Translation(std::string_view expression) : in_(expression) {}

  std::string all() {
    while (at_ < in_.size()) {
      if (in_[at_] == '\\' && at_ + 1 < in_.size()) {
        escape();
      } else {
        in_class_ ? inside() : outside();
      }
    }
    return std::move(out_);
  }

 private:
  std::string_view rest() const { return in_.substr(at_); }
  void copy() { out_ += in_[at_++]; }

  void outside() {
    in_class_ = in_[at_] == '[';
    copy();
    if (in_class_ && rest().starts_with('^')) copy();
    if (in_class_ && rest().starts_with(']')) copy();  // the first one is a letter
  }

  void inside() {
    if (rest().starts_with('[')) return posix_class();
    if (rest().starts_with("&&"))
      throw bad_input("the regular expression '{}' intersects classes, which is not supported",
                      in_);
    in_class_ = in_[at_] != ']';
    copy();
  }

  // The reference engines read any other bracket as a class in the class, PCRE2 as a letter.
  void posix_class() {
    for (const PosixClass& known : kPosixClasses) {
      const std::string written = fmt::format("[:{}:]", known.name);
      if (!rest().starts_with(written)) continue;
      out_ += known.set;
      at_ += written.size();
      return;
    }
    throw bad_input("the regular expression '{}' has a class in a class, which is not supported",
                    in_)
        .hint(
            "a bracket meant as a letter is \\[; [:graph:], [:print:] and [:^name:] are not read");
  }

  void escape() {
    const char letter = in_[at_ + 1];
    const std::string_view set = letter == 's' || letter == 'S'   ? kSpace
                                 : letter == 'w' || letter == 'W' ? kWordCharacter
                                 : letter == 'h' || letter == 'H' ? kHex
                                                                  : std::string_view();
    const bool negated = letter == 'S' || letter == 'W' || letter == 'H';
    if (set.empty() || (negated && in_class_)) {
      copy();
      copy();
      return;
    }
    at_ += 2;
    out_ += in_class_ ? std::string(set) : fmt::format("[{}{}]", negated ? "^" : "", set);
  }

  std::string_view in_;
  size_t at_ = 0;
  bool in_class_ = false;
  std::string out_;
};

struct FreeMatch {
  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }
};

pcre2_compile_context* newline_is_lf() {
  static const std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)>
      context = [] {
        auto* made = pcre2_compile_context_create(nullptr);
        pcre2_set_newline(made, PCRE2_NEWLINE_LF);
        return std::unique_ptr<pcre2_compile_context, decltype(&pcre2_compile_context_free)>(
            made, pcre2_compile_context_free);
      }();
  return context.get();
}

std::string message_of(int error) {
  PCRE2_UCHAR text[256];
  pcre2_get_error_message(error, text, sizeof text);
  return reinterpret_cast<const char*>(text);
}

std::vector<Span> find_literal(std::string_view text, std::string_view wanted) {
  std::vector<Span> found;
  if (wanted.empty()) return found;
  for (size_t at = text.find(wanted); at != text.npos; at = text.find(wanted, at + wanted.size())) {
    found.push_back({at, at + wanted.size()});
  }
  return found;
}

}  // namespace

struct Pattern::Code {
  explicit Code(pcre2_code* compiled) : code(compiled) {}
  ~Code() { pcre2_code_free(code); }
  Code(const Code&) = delete;
  Code& operator=(const Code&) = delete;
  pcre2_code* code;
};

Pattern Pattern::literal(std::string_view text) {
  Pattern pattern;
  pattern.literal_ = text;
  return pattern;
}

Pattern Pattern::regex(std::string_view expression) {
  const std::string translated = Translation(expression).all();
  int error = 0;
  PCRE2_SIZE at = 0;
  pcre2_code* code =
      pcre2_compile(reinterpret_cast<PCRE2_SPTR>(translated.data()), translated.size(),
                    PCRE2_UTF | PCRE2_UCP | PCRE2_MULTILINE | PCRE2_NEVER_BACKSLASH_C, &error, &at,
                    newline_is_lf());
  if (code == nullptr) {
    throw bad_input("the regular expression '{}' is not understood: {}", expression,
                    message_of(error));
  }
  Pattern pattern;
  pattern.code_ = std::make_shared<const Code>(code);
  pcre2_jit_compile(code,
                    PCRE2_JIT_COMPLETE);  // without JIT, PCRE2 interprets: slower, same matches
  return pattern;
}

std::vector<Span> Pattern::find_all(std::string_view text) const {
  if (!code_) return find_literal(text, literal_);
  std::vector<Span> found;
  if (text.empty()) return found;
  const std::unique_ptr<pcre2_match_data, FreeMatch> match(pcre2_match_data_create(1, nullptr));
  const auto subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const auto run = [&](size_t at, uint32_t options) {
    return pcre2_match(code_->code, subject, text.size(), at, options | PCRE2_NO_UTF_CHECK,
                       match.get(), nullptr);
  };
  for (size_t at = 0; at <= text.size();) {
    int status = run(at, 0);
    if (status == PCRE2_ERROR_JIT_STACKLIMIT) status = run(at, PCRE2_NO_JIT);
    if (status == PCRE2_ERROR_NOMATCH) break;
    if (status < 0) throw bad_input("matching the text failed: {}", message_of(status));
    const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(match.get());
    const Span span{ends[0], ends[1]};
    at = span.end;
    if (span.begin == span.end) {
      at += at < text.size() ? code_point_at(text, at).bytes : 1;
      if (!found.empty() && found.back().end == span.begin) continue;  // directly after a match
    }
    found.push_back(span);
  }
  return found;
}

std::string Pattern::replace_all(std::string_view text, std::string_view content) const {
  std::string out;
  size_t at = 0;
  const std::vector<Span> matches = find_all(text);
  check_expansion(text.size(), matches.size() * content.size());
  for (const Span& match : matches) {
    out += text.substr(at, match.begin - at);
    out += content;
    at = match.end;
  }
  return out += text.substr(at);
}

}  // namespace mop
