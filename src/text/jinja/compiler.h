// text/jinja/compiler.h -- the statements of a template, compiled to functions.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "text/jinja/scope.h"

namespace mop::jinja {

/// What a statement tells the loop around it.
enum class Flow { kOn, kBreak, kContinue };
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
