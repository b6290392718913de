// text/jinja/objects.cc
#include "text/jinja/objects.h"

#include "base/error.h"
#include "text/jinja/tables.h"

namespace mop::jinja {

namespace {
constexpr int kDeepestCall = 200;
}

CallDepth::CallDepth(Rendering& rendering) : rendering_(rendering) {
  if (++rendering_.depth <= kDeepestCall) return;
  --rendering_.depth;
  throw bad_input("macros and loops call each other more than {} deep", kDeepestCall);
}

Value Scope::get(const std::string& name) const {
  for (const Scope* scope = this; scope != nullptr; scope = scope->outer_.get()) {
    const auto found = scope->names_.find(name);
    if (found != scope->names_.end()) return found->second;
  }
  return find_global(name, rendering_);
}

// A macro and its scope refer to each other; the rendering clears captured scopes at its end.
std::shared_ptr<Scope> Scope::capture() {
  rendering_.captured.push_back(shared_from_this());
  return shared_from_this();
}

Value Loop::attribute(const std::string& name) const {
  const int64_t count = std::ssize(items_);
  if (name == "index") return at_ + 1;
  if (name == "index0") return at_;
  if (name == "first") return at_ == 0;
  if (name == "last") return at_ + 1 == count;
  if (name == "length") return count;
  if (name == "revindex") return count - at_;
  if (name == "revindex0") return count - at_ - 1;
  if (name == "depth") return level_;
  if (name == "depth0") return level_ - 1;
  const auto neighbour = [&](int64_t place) {
    return place < 0 || place >= count ? Value(Undefined{name})
                                       : items_[static_cast<size_t>(place)];
  };
  if (name == "previtem") return neighbour(at_ - 1);
  if (name == "nextitem") return neighbour(at_ + 1);
  if (name == "cycle") {
    return bound(
        name,
        [at = at_](const Value&, const Arguments& in) {
          if (in.positional.empty()) throw bad_input("loop.cycle needs at least one value");
          return in.positional[static_cast<size_t>(at) % in.positional.size()];
        },
        None{});
  }
  if (name == "changed") return bound(name, changed, self());
  return Undefined{name};
}

Value Loop::changed(const Value& self, const Arguments& in) {
  auto& loop = static_cast<Loop&>(*self.object());
  if (!loop.last_changed_) Work::keep(loop.shared_from_this());  // it may be given itself
  const bool changed = !loop.last_changed_ || !equal(*loop.last_changed_, in.positional);
  loop.last_changed_ = in.positional;
  return changed;
}

Value Loop::call(const Arguments& arguments) {
  if (!recurse_) throw bad_input("this loop is not `recursive`, it cannot be called");
  if (arguments.positional.size() != 1) throw bad_input("loop() needs one argument, the elements");
  return recurse_(arguments.positional[0], level_ + 1);
}

Value Macro::attribute(const std::string& name) const {
  if (name == "name") return name_;
  if (name != "arguments") return Undefined{name};
  List names;
  for (const Parameter& parameter : parameters_) names.emplace_back(parameter.name);
  return Value::tuple(std::move(names));
}

Value Macro::call(const Arguments& in) {
  const auto scope = home_->inner();
  const CallDepth deeper(scope->rendering());
  Dict others;
  Value caller = Undefined{"caller"};
  for (const auto& [name, value] : in.named) {
    const auto is_called = [&n = name](const Parameter& p) { return p.name == n; };
    if (std::any_of(parameters_.begin(), parameters_.end(), is_called)) continue;
    if (name == "caller") {
      caller = value;
    } else {
      others.set(name, value);
    }
  }
  scope->set("caller", caller);
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const Parameter& parameter = parameters_[i];
    const Value* given = in.find(i, parameter.name);
    scope->set(parameter.name, given != nullptr     ? *given
                               : parameter.fallback ? parameter.fallback(*scope)
                                                    : Value(Undefined{parameter.name}));
  }
  List rest;
  for (size_t i = parameters_.size(); i < in.positional.size(); ++i) {
    rest.push_back(in.positional[i]);
  }
  scope->set("varargs", Value::tuple(std::move(rest)));
  scope->set("kwargs", std::move(others));
  return body_(*scope);
}

}  // namespace mop::jinja
