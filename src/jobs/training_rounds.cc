// jobs/training_rounds.cc
#include "jobs/training_rounds.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/files.h"
#include "export/hf_writer.h"
#include "run/result_plan.h"
#include "surgery/surgery.h"

namespace mop {
namespace fs = std::filesystem;

TrainingRounds::TrainingRounds(const PruneRecovery& recovery, const Model& dense, fs::path run,
                               Collectives& ranks, Figures figures, Progress& progress)
    : recovery_(recovery),
      dense_(dense),
      run_(ranks.broadcast(std::string_view(run.native()))),
      ranks_(ranks),
      figures_(std::move(figures)),
      progress_(progress) {
  if (ranks_.size() < 2) return;
  std::error_code ignored;
  const bool seen = fs::exists(run_ / "manifest.json", ignored);
  if (ranks_.sum(static_cast<int64_t>(!seen)) == 0) return;
  throw usage_error(
      "recovery.when: steps needs an output folder that every process sees, for the weights that "
      "each round trains")
      .where("folder", run_.string())
      .hint("--out on a disk that all machines share");
}

fs::path TrainingRounds::round(size_t number) const {
  return run_ / "rounds" / fmt::format("{:02}", number);
}

Model TrainingRounds::train(const Model& pruned, const std::vector<PlanStep>& steps) {
  const fs::path folder = round(steps.size()), writing = folder / "writing";
  const bool writes = ranks_.rank() == 0;
  if (writes) fs::create_directories(folder);
  // The previous round is needed until this one's step is complete.
  if (writes && steps.size() > 2) fs::remove_all(round(steps.size() - 2) / "trained");
  const Json before = figures_(pruned);
  TrainedModel trained =
      recover_pruned(recovery_, dense_, pruned, writes ? folder : fs::path(), ranks_, progress_);
  if (writes) {
    fs::remove_all(writing);
    fs::create_directories(writing / "run");
    write_hf(trained.model, writing, {}, silent_progress());
    write_plan(dense_, trained.model, steps, nullptr, writing);
    fs::remove_all(folder / "trained");
    fs::rename(writing, folder / "trained");
    fs::remove_all(folder / "state");
  }
  ranks_.barrier();
  Model model = restore(steps);
  Json outcome = trained.outcome;
  outcome["figures"] = {{"pruned", before}, {"recovered", figures_(model)}};
  if (writes) {
    write_file(folder / "recovery.json", to_text(outcome));
    sync_path(folder);
  }
  return model;
}

Model TrainingRounds::restore(const std::vector<PlanStep>& steps) const {
  const fs::path folder = round(steps.size()) / "trained";
  const std::optional<PrunePlan> plan = plan_in(folder);
  if (!plan || plan->steps != steps) {
    throw bad_input("the weights trained in round {} are missing", steps.size())
        .where("folder", folder.string())
        .hint("if the folder is complete elsewhere, resume there; else start over with --force");
  }
  const Model pruned = apply(*plan, dense_);
  return with_values(pruned, plan->values, *Checkpoint::open(folder));
}

Json TrainingRounds::outcome(size_t count) const {
  Json outcome = {{"steps", 0}, {"tokens", 0}, {"rounds", Json::array()}};
  for (size_t number = 1; number <= count; ++number) {
    const fs::path file = round(number) / "recovery.json";
    Json one = read_json(file);
    for (const char* key : {"steps", "tokens"}) {
      outcome[key] = outcome[key].get<int64_t>() + require<int64_t>(one, key, file.string());
    }
    outcome["rounds"].push_back(std::move(one));
  }
  return outcome;
}

}  // namespace mop
