// pipeline/rate_sweep.h -- the learning rate of a training run, found by short trials.
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

/// Steps of a trial in a run of so many: a tenth, at most 60. 0: so short a trial would say
/// nothing, and the run goes without.
int64_t trial_steps(int64_t run_steps);

struct RateTrial {
  double rate;
  double nll;  ///< nats a held-out token, the best of before and after; infinite: the loss was not
               ///< finite
};
struct RateChoice {
  double rate;
  std::vector<RateTrial> trials;  ///< in the order of the rates
};
/// [{learning_rate, nll}]; null for a loss that was not finite.
Json to_json(const std::vector<RateTrial>& trials);

/// Trains a fresh copy at `rate`, keeping its state in a folder, and gives its held-out nll.
using TryRate = std::function<double(double rate, const std::filesystem::path& state)>;

/// Tries every one of `rates` and takes the one with the lowest nll, of equals the lowest.
/// RUN/learning_rates.json has those that were tried, RUN/trial-N the state of the one that is
/// being tried: an interrupted sweep goes on there. Rank 0 writes; all ranks call it alike. Throws
/// what `try_rate` throws; Error(kBadInput), a loss that is not finite, only when every rate fails.
RateChoice choose_rate(std::span<const double> rates, const std::filesystem::path& run,
                       Collectives& ranks, Progress& progress, const TryRate& try_rate);

}  // namespace mop
