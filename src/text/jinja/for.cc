// text/jinja/for.cc
#include "text/jinja/for.h"

#include <utility>

#include "base/error.h"
#include "text/jinja/objects.h"

namespace mop::jinja {

void assign(const Names& names, const Value& value, Scope& scope) {
  if (names.size() == 1) return scope.set(names[0], value);
  const List parts = elements(value);
  if (parts.size() != names.size())
    throw bad_input("cannot assign {} values to {} names", parts.size(), names.size());
  for (size_t i = 0; i < names.size(); ++i) scope.set(names[i], parts[i]);
}

Flow For::run_over(const std::shared_ptr<const For>& loop, const Value& value, Scope& scope,
                   int depth, std::string& out) {
  List items;
  for (Value& element : elements(value)) {
    const auto inner = scope.inner();
    if (loop->wanted) assign(loop->names, element, *inner);
    if (!loop->wanted || is_true(loop->wanted(*inner))) items.push_back(std::move(element));
  }
  if (items.empty()) {
    const auto inner = scope.inner();
    return run(loop->otherwise, *inner, out);
  }
  Loop::Recurse recurse;
  if (loop->recursive) {
    recurse = [loop, home = scope.shared_from_this()](const Value& elements, int deeper) {
      const CallDepth guard(home->rendering());
      std::string text;
      run_over(loop, elements, *home, deeper, text);
      return text;
    };
  }
  const auto state = std::make_shared<Loop>(std::move(items), depth, std::move(recurse));
  for (size_t i = 0; i < state->items().size(); ++i) {
    Work::step();
    state->go_to(i);
    const auto inner = scope.inner();
    inner->set("loop", std::shared_ptr<Object>(state));
    assign(loop->names, state->items()[i], *inner);
    if (run(loop->body, *inner, out) == Flow::kBreak) break;
  }
  return Flow::kNext;
}

}  // namespace mop::jinja
