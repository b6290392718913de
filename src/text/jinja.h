// text/jinja.h -- Jinja, the language of chat templates.
//
// Gives the same output as jinja2 with transformers' settings: trim_blocks, lstrip_blocks, loop
// controls, `generation` blocks, raise_exception, strftime_now, tojson. A filter, test, method or
// statement that is not implemented (docs/formats.md lists them) is an error when rendering reaches
// it.
#pragma once
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace mop {

/// Rendered text, and the byte ranges [begin, end) that `generation` blocks produced: the
/// assistant's turns.
struct JinjaText {
  std::string text;
  std::vector<std::pair<size_t, size_t>> generated;
};

/// The time that `strftime_now` uses.
struct JinjaTime {
  std::time_t seconds = 0;
  bool utc = false;  ///< false: local time
};
/// Returns the current time; with SOURCE_DATE_EPOCH in the environment, that time in UTC.
JinjaTime jinja_now();

class JinjaTemplate {
 public:
  /// Throws Error(kBadInput) naming the line and the syntax error.
  explicit JinjaTemplate(const std::string& source);
  ~JinjaTemplate();
  JinjaTemplate(JinjaTemplate&&) noexcept;

  /// `variables` is an object. Throws Error(kBadInput) with the template's own message or the
  /// invalid operation, and the line.
  std::string render(const Json& variables, JinjaTime now = jinja_now()) const;
  /// The same; `generated` is empty for a template without such blocks, and where one stands in a
  /// text that becomes a value (in a macro, `set`, `filter` or `call`), which may be changed later.
  JinjaText render_with_marks(const Json& variables, JinjaTime now = jinja_now()) const;
  /// Returns whether the template has a `generation` block.
  bool marks_generation() const;

 private:
  struct Program;
  std::unique_ptr<const Program> program_;
};

}  // namespace mop
