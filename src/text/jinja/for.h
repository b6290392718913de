// text/jinja/for.h -- the statement `for` of chat templates.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "text/jinja/compiler.h"
#include "text/jinja/operations.h"
#include "text/jinja/scope.h"

namespace mop::jinja {

using Names = std::vector<std::string>;

/// Assigns a value to one name, or its elements to several. Throws Error(kBadInput) when there are
/// more or fewer elements than names.
void assign(const Names& names, const Value& value, Scope& scope);

/// A loop: the target names, the list, the filter condition and the body.
struct For {
  Names names;
  Expression list, wanted;  ///< `wanted` may be empty
  Block body, otherwise;
  bool recursive = false;

  /// Renders the body for every wanted element of `value`, or `otherwise` if there is none; `depth`
  /// is 1 but in recursive loops.
  static Flow run_over(const std::shared_ptr<const For>& loop, const Value& value, Scope& scope,
                       int depth, std::string& out);
};

}  // namespace mop::jinja
