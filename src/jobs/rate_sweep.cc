// jobs/rate_sweep.cc
#include "jobs/rate_sweep.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "base/parse_json.h"
#include "recovery/trainer.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

constexpr std::string_view kTrial = "trial-";
constexpr int64_t kPart = 10, kMostSteps = 60;

std::string figure(double nll) {
  return std::isfinite(nll) ? fmt::format("perplexity {:.3f}", std::exp(nll)) : "loss not finite";
}

// Trials of an earlier run, read by rank 0 and sent to all ranks.
std::vector<RateTrial> earlier_trials(const fs::path& file, Collectives& ranks) {
  std::string text;
  if (ranks.rank() == 0 && fs::exists(file)) text = read_file(file);
  text = ranks.broadcast(std::string_view(text));
  std::vector<RateTrial> trials;
  if (text.empty()) return trials;
  try {
    for (const Json& trial : parse_json(text, file.string() + " is not valid JSON")) {
      trials.push_back({require<double>(trial, "learning_rate", file.string()),
                        get_or<double>(trial, "nll", INFINITY, file.string()),
                        get_or<int64_t>(trial, "steps", kFewestTrialSteps, file.string())});
    }
  } catch (Error& e) {
    throw std::move(e).hint("start over with --force");
  }
  return trials;
}

// A loss that is not finite is an infinite nll, with the reason in `failure`.
RateTrial try_one(double rate, const fs::path& state, const TryRate& try_rate,
                  std::optional<Error>& failure) {
  try {
    return try_rate(rate, state);
  } catch (const NotFinite& error) {
    failure = error;
    return {rate, INFINITY, kFewestTrialSteps};
  }
}

// The states of trials, also of rates that are not tried any more.
void remove_trials(const fs::path& run) {
  for (const fs::directory_entry& entry : fs::directory_iterator(run)) {
    if (entry.path().filename().string().starts_with(kTrial)) fs::remove_all(entry.path());
  }
}

}  // namespace

int64_t trial_steps(int64_t run_steps) {
  const int64_t steps = std::min(run_steps / kPart, kMostSteps);
  return steps < kFewestTrialSteps ? 0 : steps;
}

Json to_json(const std::vector<RateTrial>& trials) {
  Json json = Json::array();
  for (const RateTrial& trial : trials) {
    json.push_back({{"learning_rate", trial.rate},
                    {"nll", std::isfinite(trial.nll) ? Json(trial.nll) : Json()},
                    {"steps", trial.steps}});
  }
  return json;
}

RateChoice choose_rate(std::span<const double> rates, const fs::path& run, Collectives& ranks,
                       Progress& progress, const TryRate& try_rate) {
  const fs::path file = run / "learning_rates.json";
  const std::vector<RateTrial> earlier = earlier_trials(file, ranks);
  std::vector<RateTrial> trials;
  std::optional<Error> failure;
  for (const double rate : rates) {
    const fs::path state = run / fmt::format("{}{:g}", kTrial, rate);
    const auto known = std::find_if(earlier.begin(), earlier.end(),
                                    [&](const RateTrial& trial) { return trial.rate == rate; });
    trials.push_back(known != earlier.end() ? *known : try_one(rate, state, try_rate, failure));
    progress.note(
        fmt::format("learning rate {:g}: {} on held-out text", rate, figure(trials.back().nll)));
    if (ranks.rank() == 0) {
      write_file(file, to_text(to_json(trials)));
      fs::remove_all(state);
    }
    if (trials.back().steps < kFewestTrialSteps) {
      progress.note(
          fmt::format("learning rate {:g}: the time is too short to try others", rates[0]));
      return {rates[0], trials};
    }
  }
  if (ranks.rank() == 0) remove_trials(run);
  const auto best =
      std::min_element(trials.begin(), trials.end(), [](const RateTrial& x, const RateTrial& y) {
        return std::pair(x.nll, x.rate) < std::pair(y.nll, y.rate);
      });
  if (!std::isfinite(best->nll) && failure) throw *failure;
  progress.note(fmt::format("selected learning rate {:g}", best->rate));
  return {best->rate, trials};
}

}  // namespace mop
