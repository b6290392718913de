// text/jinja/scope.h -- variables and expressions during the rendering of a template.
#pragma once
#include <concepts>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "text/jinja.h"
#include "text/jinja/operations.h"

namespace mop::jinja {

class Scope;

/// A compiled expression. Cheap to copy, since expressions contain others.
class Expression {
 public:
  using Run = std::function<Value(Scope&)>;
  Expression() = default;
  template <typename F>
  requires(!std::same_as<std::remove_cvref_t<F>, Expression> &&
           std::is_invocable_r_v<Value, F&, Scope&>) Expression(F run)
      : run_(std::make_shared<const Run>(std::move(run))) {}
  explicit operator bool() const { return run_ != nullptr; }
  Value operator()(Scope& scope) const {
    Work::step();
    return (*run_)(scope);
  }

 private:
  std::shared_ptr<const Run> run_;
};

/// State of one rendering.
struct Rendering {
  JinjaTime now;
  int depth = 0;                       ///< current depth of macro calls and recursive loops
  const std::string* whole = nullptr;  ///< where the text of the whole template grows
  int generations = 0;                 ///< current depth of generation blocks
  std::vector<std::pair<size_t, size_t>> generated = {};  ///< their ranges in `whole`
  bool lost_generated = false;  ///< whether one wrote into a text that became a value
  std::vector<std::shared_ptr<Scope>> captured = {};  ///< scopes captured by macros
};

/// A scope of variables. The bodies of loops, macros and some blocks have their own scope.
class Scope : public std::enable_shared_from_this<Scope> {
 public:
  explicit Scope(Rendering& rendering) : rendering_(rendering) {}
  explicit Scope(std::shared_ptr<Scope> outer)
      : outer_(std::move(outer)), rendering_(outer_->rendering_) {}
  std::shared_ptr<Scope> inner() { return std::make_shared<Scope>(shared_from_this()); }
  /// Returns the variable, else the global function of this name, else undefined.
  Value get(const std::string& name) const;
  void set(const std::string& name, Value value) { names_[name] = std::move(value); }
  Rendering& rendering() const { return rendering_; }
  /// Keeps the scope alive until the rendering ends.
  std::shared_ptr<Scope> capture();
  void clear() { names_.clear(); }

 private:
  std::shared_ptr<Scope> outer_;
  Rendering& rendering_;
  std::map<std::string, Value> names_;
};

}  // namespace mop::jinja
