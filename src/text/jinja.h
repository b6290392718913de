// text/jinja.h -- Jinja, the language in which chat templates are written.
//
// Renders what jinja2 renders with transformers' settings: trim_blocks, lstrip_blocks, loop
// controls, `generation` blocks, raise_exception, strftime_now, tojson. A filter, test, method or
// statement that we do not have (docs/formats.md lists them) is an error when rendering reaches it.
#pragma once
#include <ctime>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/json.h"

namespace mop {

/// Rendered text, and which bytes of it [begin, end) `generation` blocks have made: what the
/// assistant says.
struct JinjaText {
  std::string text;
  std::vector<std::pair<size_t, size_t>> generated;
};

/// What `strftime_now` tells.
struct JinjaTime {
  std::time_t seconds = 0;
  bool utc = false;  ///< else local time
};
/// The clock's; with SOURCE_DATE_EPOCH in the environment that time, in UTC.
JinjaTime jinja_now();

class JinjaTemplate {
 public:
  /// Throws Error(kBadInput) naming the line and what is not Jinja there.
  explicit JinjaTemplate(const std::string& source);
  ~JinjaTemplate();
  JinjaTemplate(JinjaTemplate&&) noexcept;

  /// `variables` is an object. Throws Error(kBadInput) with the template's own complaint, or what
  /// cannot be done with these values, and the line.
  std::string render(const Json& variables, JinjaTime now = jinja_now()) const;
  /// The same; `generated` is empty for a template without such blocks, or when it cuts or changes
  /// their text afterwards.
  JinjaText render_with_marks(const Json& variables, JinjaTime now = jinja_now()) const;
  /// Whether it has a `generation` block.
  bool marks_generation() const;

 private:
  struct Program;
  std::unique_ptr<const Program> program_;
};

}  // namespace mop
