// jobs/rate_sweep.h -- selects the learning rate of a training run by short trials.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "collectives/collectives.h"

namespace mop {

/// Returns the steps of a trial for a run of `run_steps` steps: a tenth, at most 60. 0 = the run is
/// too short for trials.
int64_t trial_steps(int64_t run_steps);

/// The fewest steps that tell one learning rate from another.
inline constexpr int64_t kFewestTrialSteps = 5;

struct RateTrial {
  double rate;
  double nll;  ///< nats per held-out token, the lower of before and after; infinite: the loss was
               ///< not finite
  int64_t steps = 0;  ///< taken; fewer than planned if time limits the trial
};
struct RateChoice {
  double rate;
  std::vector<RateTrial> trials;  ///< in the order of the rates
};
/// Returns [{learning_rate, nll, steps}]; nll is null for a loss that was not finite.
Json to_json(const std::vector<RateTrial>& trials);

/// Trains a new copy at `rate`, with its state in a folder.
using TryRate = std::function<RateTrial(double rate, const std::filesystem::path& state)>;

/// Tries all `rates` and selects the one with the lowest nll; among equals, the lowest rate.
/// A trial that ends before `kFewestTrialSteps` ends the sweep with the first rate.
/// RUN/learning_rates.json records finished trials, RUN/trial-RATE the state of the current one,
/// from which an interrupted sweep continues. Rank 0 writes; all ranks must call it. Throws as
/// `try_rate` does; Error(kBadInput) for a loss that is not finite only if all rates fail.
RateChoice choose_rate(std::span<const double> rates, const std::filesystem::path& run,
                       Collectives& ranks, Progress& progress, const TryRate& try_rate);

}  // namespace mop
