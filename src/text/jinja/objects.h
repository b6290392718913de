// text/jinja/objects.h -- loops and macros as values of a template.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "text/jinja/scope.h"

namespace mop::jinja {

/// The variable `loop` in the body of a loop.
class Loop final : public Object {
 public:
  /// Renders the loop's body for other elements, one level deeper; empty when the loop is not
  /// recursive.
  using Recurse = std::function<std::string(const Value& elements, int depth)>;
  Loop(List items, int depth, Recurse recurse)
      : items_(std::move(items)), level_(depth), recurse_(std::move(recurse)) {
    depth_ = depth_of(items_);
  }
  void go_to(size_t place) { at_ = static_cast<int64_t>(place); }
  const List& items() const { return items_; }

  std::string type() const override { return "loop"; }
  Value attribute(const std::string& name) const override;
  bool is_callable() const override { return true; }
  Value call(const Arguments& arguments) override;
  void clear() override { last_changed_.reset(); }

 private:
  static Value changed(const Value& self, const Arguments& arguments);
  List items_;
  int level_;
  Recurse recurse_;
  int64_t at_ = 0;
  std::optional<List> last_changed_;
};

/// A macro, or the block of a `call` statement, which its macro sees as `caller`.
class Macro final : public Object {
 public:
  struct Parameter {
    std::string name;
    Expression fallback;  ///< may be empty
  };
  using Body = std::function<std::string(Scope&)>;
  Macro(std::string name, std::vector<Parameter> parameters, Body body, std::shared_ptr<Scope> home)
      : name_(std::move(name)),
        parameters_(std::move(parameters)),
        body_(std::move(body)),
        home_(std::move(home)) {}

  std::string type() const override { return "macro"; }
  Value attribute(const std::string& name) const override;
  bool is_callable() const override { return true; }
  Value call(const Arguments& arguments) override;

 private:
  std::string name_;
  std::vector<Parameter> parameters_;
  Body body_;
  std::shared_ptr<Scope> home_;
};

/// Counts nested calls. Throws Error(kBadInput) when they are too deep, as endless recursion is.
class CallDepth {
 public:
  explicit CallDepth(Rendering& rendering);
  ~CallDepth() { --rendering_.depth; }

 private:
  Rendering& rendering_;
};

}  // namespace mop::jinja
