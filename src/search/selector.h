// search/selector.h -- selects the candidate that becomes the next step.
#pragma once
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.h"
#include "base/random.h"
#include "model/validation.h"
#include "plan/branch.h"

namespace mop {

/// A branch's proposal, computed on first use.
class Candidate {
 public:
  virtual ~Candidate() = default;
  virtual const Branch& branch() const = 0;
  /// Returns why the branch can remove nothing more from this model; empty when it can. Needs no
  /// weights.
  virtual std::string obstacle() = 0;
  virtual const PlanStep& step() = 0;  ///< computes the proposal on first use
  virtual const Model& model() = 0;    ///< the model after the step
};

/// Input of a selector. `validate` evaluates several candidates in one call, so that shared layers
/// are computed once.
struct SelectInput {
  int64_t step;                            ///< from 1
  std::span<Candidate* const> candidates;  ///< 1..N, in the recipe's order
  std::function<std::vector<Validation>(std::span<Candidate* const>)> validate;
  Random& random;  ///< seeded per step, so that a resumed run draws the same numbers
};

/// The selected candidate, and the figures for metrics.json.
struct Selection {
  size_t chosen = 0;
  std::vector<Validation> scores;  ///< of the candidates, NaN where not validated; empty = none was
};

struct Selector {
  std::string name;  ///< path, random, perplexity, kl, cosine
  std::string summary;
  bool needs_validation = false;
  /// `argument` is the text after the colon in `path:LGGL`, else empty.
  std::function<Selection(const SelectInput&, const std::string& argument)> choose;
  /// Throws Error(kUsage) for an argument that is invalid with these branches; called before a run.
  std::function<void(const std::string& argument, std::span<const Branch* const>)> check;
  std::string source = {};           ///< paper and equation
  std::vector<int> deviations = {};  ///< from the paper, by number: docs/method.md
};

/// Built-in selectors, then those added at run time. Adding one invalidates the span.
std::span<const Selector> all_selectors();
/// "path:LGGL" -> {row, argument}. Throws Error(kUsage) listing the known names.
std::pair<const Selector*, std::string> find_selector(std::string_view text);
void add_selector(Selector selector);

}  // namespace mop
