// text/jinja.cc -- a template compiled and rendered.
#include "text/jinja.h"

#include <cstdlib>

#include "base/error.h"
#include "text/jinja/compiler.h"
#include "text/unicode.h"

namespace mop {
namespace jinja {

Flow run(const Block& block, Scope& scope, std::string& out) {
  for (const Statement& statement : block) {
    Work::step();
    const Flow flow = statement(scope, out);
    if (flow != Flow::kNext) return flow;
  }
  return Flow::kNext;
}

namespace {

// Clears the scopes at the end of a rendering, because macros and scopes refer to each other.
class ScopedRendering {
 public:
  explicit ScopedRendering(JinjaTime now) { rendering_.now = now; }
  ~ScopedRendering() {
    for (const auto& scope : rendering_.captured) scope->clear();
  }
  JinjaText run(const Block& block, const Json& variables) {
    const auto scope = std::make_shared<Scope>(rendering_);
    for (const auto& [name, value] : variables.items()) scope->set(name, Value::from_json(value));
    JinjaText result;
    rendering_.whole = &result.text;
    mop::jinja::run(block, *scope, result.text);
    if (!rendering_.lost_generated) result.generated = std::move(rendering_.generated);
    return result;
  }

 private:
  Work work_;  // declared first, destroyed last
  Rendering rendering_;
};

}  // namespace
}  // namespace jinja

JinjaTime jinja_now() {
  const char* fixed = std::getenv("SOURCE_DATE_EPOCH");
  if (fixed == nullptr) return {std::time(nullptr), false};
  return {static_cast<std::time_t>(std::strtoll(fixed, nullptr, 10)), true};
}

struct JinjaTemplate::Program {
  jinja::Compiled compiled;
};

JinjaTemplate::JinjaTemplate(const std::string& source) {
  constexpr size_t kLongestTemplate = size_t{1} << 20;
  if (source.size() > kLongestTemplate)
    throw bad_input("the template has {} bytes, more than {}", source.size(), kLongestTemplate);
  if (!is_valid_utf8(source)) throw bad_input("the template is not UTF-8");
  program_ = std::make_unique<Program>(Program{jinja::compile(source)});
}
JinjaTemplate::~JinjaTemplate() = default;
JinjaTemplate::JinjaTemplate(JinjaTemplate&&) noexcept = default;

std::string JinjaTemplate::render(const Json& variables, JinjaTime now) const {
  return render_with_marks(variables, now).text;
}

JinjaText JinjaTemplate::render_with_marks(const Json& variables, JinjaTime now) const {
  return jinja::ScopedRendering(now).run(program_->compiled.block, variables);
}

bool JinjaTemplate::marks_generation() const { return program_->compiled.marks_generation; }

}  // namespace mop
