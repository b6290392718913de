// text/jinja/compiler.h -- compiles the statements of a template to functions.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "text/jinja/scope.h"

namespace mop::jinja {

/// Result of a statement for the enclosing loop.
enum class Flow { kNext, kBreak, kContinue };
using Statement = std::function<Flow(Scope&, std::string& out)>;
using Block = std::vector<Statement>;
Flow run(const Block& block, Scope& scope, std::string& out);

struct Compiled {
  Block block;
  bool marks_generation = false;
};
/// Throws Error(kBadInput) naming the line.
Compiled compile(const std::string& source);

}  // namespace mop::jinja
