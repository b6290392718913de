// plan/target.cc
#include "plan/target.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "model/composite.h"
#include "model/family.h"

namespace mop {
namespace {

// The model whose layers the target counts: the tower or the language model.
const ModelConfig& counted_part(const Target& target, const ModelConfig& config) {
  return target.of_tower ? tower_config(config) : config;
}

int64_t of_layers(const Target& target, const ModelConfig& config) {
  if (target.of_tower) return block_parameters(tower_config(config));
  return target.costs ? std::llround(target.costs->of_layers(config)) : block_parameters(config);
}

// Amount of the currency per unit of budgets: bytes per parameter for memory.
double per_budget_unit(const Target& target) {
  const bool bytes = target.in_parameters() && !target.counts_parameters();
  return bytes ? static_cast<double>(target.stored.element_bytes) : 1;
}

// "6.000 GB", "6.000 GB in the layers"
std::string size_phrase(const Target& target, double amount) {
  const std::string of = target.of_blocks  ? " in the layers"
                         : target.of_tower ? " in the vision tower's heads and MLPs"
                                           : "";
  return find_currency(target.currency).text(amount) + of;
}

// Quantity to remove from the dense model to reach the target, in the unit of budgets.
int64_t goal(const Target& target, const ModelConfig& dense) {
  const int64_t all = counted(target, dense);
  const double wanted = target.size
                            ? (amount(target, dense) - *target.size) / per_budget_unit(target)
                            : target.remove_fraction * static_cast<double>(all);
  const auto goal = static_cast<int64_t>(std::ceil(wanted));
  if (goal < of_layers(target, dense)) return goal;
  if (target.size) {
    const double layers = static_cast<double>(of_layers(target, dense)) * per_budget_unit(target);
    throw out_of_reach(target, dense, amount(target, dense) - layers);
  }
  throw bad_input("the target removes {} of {} {}, but the layers hold only {}", goal, all,
                  target.costs ? target.costs->currency().unit : "parameters",
                  of_layers(target, dense))
      .hint("lower the fraction to remove");
}

// Whether the rest is less than whole packs can remove. Single neurons can always be rounded up.
bool is_met(const Target& target, int64_t remaining, int64_t rounding, bool dense) {
  if (remaining <= 0) return true;
  if (target.size) return false;
  if (target.shape_multiple == 1 || remaining > rounding) return false;
  if (!dense) return true;
  throw bad_input("the target removes {} parameters, but a pack of {} neurons in every layer is {}",
                  remaining, target.shape_multiple, 2 * rounding)
      .hint("remove more, or lower `width.shape_multiple`");
}

// After the last round, rounding to packs may have left a part of the fraction, but not all of it.
void check_reached(const Target& target, const ModelConfig& dense, int64_t removed,
                   int64_t missing) {
  if (missing <= 0 || !target.in_parameters()) return;
  if (removed <= 0 && target.shape_multiple > 1) {
    throw bad_input("the target removes {} parameters, less than half a pack of {} neurons",
                    missing, target.shape_multiple)
        .hint("remove more, or lower `width.shape_multiple`");
  }
  if (missing <= target.most_missing) return;
  throw beyond_reach(target,
                     static_cast<double>(removed) / static_cast<double>(counted(target, dense)));
}

// Round r of R removes what is missing to r/R of the goal; rounds with nothing missing are skipped,
// and another one follows the last only for a size.
std::optional<StepBudget> budget_of_round(const Target& target, const ModelConfig& dense,
                                          const ModelConfig& current, int64_t steps_done) {
  const int64_t removed =
      counted(target, dense) - counted(target, with_what_follows(target, current));
  const auto whole = static_cast<double>(goal(target, dense));
  const auto missing = static_cast<int64_t>(whole) - removed;
  for (int64_t round = steps_done + 1; round <= target.rounds; ++round) {
    const double share = static_cast<double>(round) / static_cast<double>(target.rounds);
    const auto due = static_cast<int64_t>(std::ceil(share * whole));
    if (due > removed) return StepBudget{due - removed, true, missing};
  }
  if (target.size && missing > 0) return StepBudget{missing, true, missing};
  if (!target.size) check_reached(target, dense, removed, missing);
  return std::nullopt;
}

}  // namespace

int64_t counted(const Target& target, const ModelConfig& config) {
  if (target.of_blocks || target.of_tower) return of_layers(target, config);
  return target.costs ? std::llround(target.costs->of_model(config)) : total_parameters(config);
}

double amount(const Target& target, const ModelConfig& config) {
  const Costs costs = *prices(target);
  if (target.of_tower) return std::round(costs.of_layers(tower_config(config)));
  return std::round(target.of_blocks ? costs.of_layers(config) : costs.of_model(config));
}

std::shared_ptr<const Costs> prices(const Target& target) {
  if (target.costs || !target.in_parameters()) return target.costs;
  return std::make_shared<const Costs>(find_currency(target.currency), target.stored);
}

ModelConfig with_what_follows(const Target& target, ModelConfig config) {
  if (!target.size || !target.biases_follow) return config;
  config.output_bias = config.down_bias = true;
  return config;
}

Error out_of_reach(const Target& target, const ModelConfig& dense, double least) {
  return bad_input("the target leaves at most {}, and this run cannot leave less than {}",
                   size_phrase(target, *target.size), size_phrase(target, least))
      .where("dense model", size_phrase(target, amount(target, dense)))
      .hint("give a larger size");
}

Error beyond_reach(const Target& target, double in_reach) {
  return bad_input("the target is to remove {:.1f}%, but only {:.1f}% can go: every layer keeps {}",
                   100 * target.remove_fraction, 100 * in_reach,
                   target.of_tower ? "a head and a neuron, or a multiple of them"
                                   : "a KV group and a neuron, or a multiple of them")
      .hint("lower the fraction to remove");
}

void check_size(const Target& target, const ModelConfig& dense) {
  if (!target.size) return;
  const std::string has =
      prices(target) ? size_phrase(target, amount(target, dense)) : "a time still to be measured";
  if (target.iterations > 0 || target.remove_fraction != 0) {
    throw usage_error("the target is either a size or {}, not both",
                      target.iterations > 0 ? "a number of iterations" : "a fraction to remove")
        .where("size", size_phrase(target, *target.size))
        .where("dense model", has);
  }
  if (!prices(target) || *target.size < amount(target, dense)) return;
  throw usage_error("the target leaves at most {}, and the dense model has {}",
                    size_phrase(target, *target.size), has)
      .hint("give a size below that of the dense model");
}

Target with_fraction(Target target, const ModelConfig& dense) {
  check_size(target, dense);
  if (target.size && prices(target)) {
    target.remove_fraction = 1 - *target.size / amount(target, dense);
  }
  return target;
}

void check_target(const Target& target) {
  if (target.weights_alone) return;
  if (target.rounds < 0) throw usage_error("rounds must not be negative, got {}", target.rounds);
  if (target.rounds > 0 && target.iterations > 0) {
    throw usage_error("rounds need a fraction to remove, but the target is a number of iterations");
  }
  if (!target.in_parameters() && target.rounds == 0) {
    throw usage_error(
        "a step without rounds removes one layer's parameters, but the target counts {}",
        target.currency)
        .hint("give `target.rounds` (--rounds 2)");
  }
  if (target.iterations < 0) {
    throw usage_error("iterations must be positive, got {}", target.iterations);
  }
  if (target.size) return;
  if (target.iterations > 0 && target.remove_fraction != 0) {
    throw usage_error(
        "the target is either a number of iterations or a fraction to remove, not both");
  }
  if (target.iterations == 0 && target.remove_fraction == 0) {
    throw usage_error("no target: give a number of iterations or a fraction to remove")
        .hint(
            "--remove 0.4 removes 40% of the parameters, --target memory=6GB leaves at most that, "
            "--iterations 6 takes six steps");
  }
  if (target.iterations == 0 && !(target.remove_fraction > 0 && target.remove_fraction < 1)) {
    throw usage_error("the fraction to remove must be between 0 and 1, got {}",
                      target.remove_fraction);
  }
}

std::optional<StepBudget> next_budget(const Target& target, const ModelConfig& dense,
                                      const ModelConfig& current, int64_t steps_done) {
  check_target(target);
  if (target.weights_alone) return std::nullopt;
  if (target.iterations > 0) {
    if (steps_done >= target.iterations) return std::nullopt;
    return StepBudget{layer_worth(counted_part(target, current))};
  }
  if (target.rounds > 0) return budget_of_round(target, dense, current, steps_done);
  const int64_t remaining =
      goal(target, dense) -
      (counted(target, dense) - counted(target, with_what_follows(target, current)));
  const int64_t rounding = half_pack(counted_part(target, current), target.shape_multiple);
  if (is_met(target, remaining, rounding, steps_done == 0)) return std::nullopt;
  const int64_t worth = layer_worth(counted_part(target, current));
  // A remainder within the rounding is included in this step instead of needing another one.
  const bool last = remaining <= worth + rounding;
  if (target.budget == BudgetKind::kReleased) return StepBudget{worth};
  return last ? StepBudget{remaining, true, remaining} : StepBudget{worth, false, remaining};
}

std::string missed_target(const Target& target, const ModelConfig& dense, const ModelConfig& left) {
  if (target.rounds == 0 || target.size || !target.in_parameters()) return "";
  const int64_t removed = counted(target, dense) - counted(target, left);
  if (goal(target, dense) - removed <= target.most_missing) return "";
  return fmt::format(
      "the run removed {:.2f}%, and the target is {:.2f}%: the layers could not lose more units",
      100 * static_cast<double>(removed) / static_cast<double>(counted(target, dense)),
      100 * target.remove_fraction);
}

std::string overshoot(const Branch& branch, std::span<const Branch* const> used,
                      const BranchInput& input) {
  const auto divisible = [](const Branch* other) { return other->divisible; };
  if (branch.divisible || std::none_of(used.begin(), used.end(), divisible)) return "";
  const ModelConfig after = after_step(input.config, branch.count(input));
  const int64_t removed = total_parameters(input.config) - total_parameters(after);
  if (removed <= input.remaining) return "";
  return fmt::format("it would remove {} parameters, but only {} remain to the target", removed,
                     input.remaining);
}

}  // namespace mop
