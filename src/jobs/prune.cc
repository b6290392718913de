// jobs/prune.cc
#include "jobs/prune.h"

#include <fmt/format.h>

#include <cmath>

#include "base/build_info.h"
#include "base/error.h"
#include "base/files.h"
#include "base/parse_json.h"
#include "base/stopwatch.h"
#include "eval/validation.h"
#include "export/hf_writer.h"
#include "jobs/prepared_run.h"
#include "jobs/prune_card.h"
#include "jobs/prune_costs.h"
#include "jobs/prune_figures.h"
#include "jobs/prune_manifest.h"
#include "jobs/prune_recovery.h"
#include "jobs/prune_repair.h"
#include "jobs/prune_sight.h"
#include "jobs/prune_steps.h"
#include "jobs/prune_weights.h"
#include "jobs/step_costs.h"
#include "jobs/step_scores.h"
#include "jobs/training_rounds.h"
#include "model/family.h"
#include "report/table.h"
#include "run/describe.h"
#include "run/judge_journal.h"
#include "run/manifest.h"
#include "run/model_source.h"
#include "run/read_run.h"
#include "run/result_plan.h"
#include "run/run_log.h"
#include "run/runtime.h"
#include "run/scratch_folder.h"
#include "surgery/surgery.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

// Connects the loop to the run folder and to other ranks, and measures times.
class Run {
 public:
  /// Without a folder nothing is written, as on ranks other than 0.
  Run(const PreparedRun& prepared, const RunFolder* folder, fs::path scratch, Progress& progress,
      Collectives& ranks)
      : run_(prepared),
        folder_(folder),
        scratch_(std::move(scratch)),
        progress_(progress),
        ranks_(ranks),
        mix_(mix_recipe(prepared.recipe)),
        setup_{prepared.samples.calibration,
               prepared.compute,
               criteria_of(mix_, prepared.dense.config(), false),
               criterion_settings(prepared.recipe),
               progress,
               ranks,
               scratch_,
               criteria_of(mix_, prepared.dense.config(), true),
               prepared.samples.pictures.get()},
        journal_(folder == nullptr ? fs::path() : folder->run(), ranks),
        steps_(expected_steps(prepared)) {
    if (!run_.samples.validation.ids.empty()) {
      validator_.emplace(run_.dense, run_.samples.validation, run_.compute, ValidatorOptions(),
                         ranks);
    }
  }

  /// {perplexity, nll, kl, cosine} on the validation samples; null without any.
  Json figures_of(const Model& model) {
    if (!validator_) return nullptr;
    return validation_json(validate({seen(model)})[0]);
  }

  /// `rounds` may be null.
  MixResult search(TrainingRounds* rounds) {
    const std::vector<PlanStep> done = steps_done();
    if (!done.empty()) {
      progress_.note(
          fmt::format("continues after step {}, completed by an earlier run", done.size()));
    }
    MixFunctions functions;
    // Repeated repairs of earlier steps are excluded from the time estimate.
    functions.replayed = [&] {
      watch_ = Stopwatch();
      progress_.begin_steps(step_costs(run_));
      progress_.advance(static_cast<int64_t>(done.size()));
    };
    // Sizes that are known before the run were checked; what measurements leave is told.
    Recipe recipe = run_.recipe;
    recipe.target.most_missing = INT64_MAX;
    functions.budget = budget_function(recipe, run_.dense.config());
    functions.measure = [&](const Model& model, int64_t) {
      return std::make_unique<RunMeasure>(setup_, model, measured_);
    };
    journal_.begin_step(std::ssize(done) + 1);
    functions.validate = [&](const std::vector<Model>& models) {
      return journal_.judge(models, [&](const auto& some) { return validate(some); });
    };
    functions.note = [&](const std::string& line) { progress_.note(line); };
    functions.see = [&](const Model& model) { return seen(model); };
    if (repairs_steps(run_.recipe.repair)) {
      const RepairPass& pass = repair_of_steps(run_.recipe.repair);
      functions.repair = [&](const Model& model) { return repair(pass, model).model; };
    }
    if (rounds != nullptr) {
      functions.train = [=, this](const Model& left, const std::vector<PlanStep>& steps) {
        return seen(rounds->train(left, steps));
      };
      functions.restore = [=, this](const std::vector<PlanStep>& steps) {
        return seen(rounds->restore(steps));
      };
    }
    functions.record = [&](const MixStep& step, const Model& model) { record(step, model); };
    MixResult result = mix(run_.dense, mix_, done, functions);
    progress_.end();
    const std::string missed =
        missed_target(run_.recipe.target, run_.dense.config(), result.model.config());
    if (!missed.empty()) progress_.warn(missed);
    return result;
  }

  MixResult replay() {
    MixResult result{run_.dense, {}};
    for (const PlanStep& plan : run_.replay->steps) {
      result.model = apply(plan, result.model);
      verify(result.model, plan.parameters);
      result.steps.push_back(plan);
      record({static_cast<int64_t>(result.steps.size()), 0, plan, {}, {}}, result.model);
    }
    result.model = *run_.replayed;
    return result;
  }

  /// A repaired model, or the original if held-out text is worse after the repair; its metrics,
  /// null without held-out text or if it is unchanged.
  struct Repaired {
    Model model;
    Json figures;
  };
  Repaired repair(const RepairPass& pass, const Model& pruned) {
    Model model = repaired(pass, run_, pruned, scratch_, progress_);
    if (!validator_) return {std::move(model), nullptr};
    const std::vector<Validation> figures = validate({pruned, model});
    if (!(figures[1].nll > figures[0].nll)) return {std::move(model), validation_json(figures[1])};
    progress_.warn(fmt::format(
        "the repair increased the perplexity on held-out text ({:.3f}, {:.3f} without it), so the "
        "weights are unchanged; {}",
        std::exp(figures[1].nll), std::exp(figures[0].nll), pass.advice));
    return {pruned, nullptr};
  }

  /// Waits until no rank computes or uses files in the run folder.
  void wait_for_ranks() { ranks_.barrier(); }

  const Json& seconds() const { return seconds_; }
  const fs::path& scratch() const { return scratch_; }

 private:
  // The steps in rank 0's folder, on every rank.
  std::vector<PlanStep> steps_done() {
    if (ranks_.size() == 1) return read_steps(*folder_);
    Json found = Json::array();
    if (folder_ != nullptr) {
      for (const PlanStep& step : read_steps(*folder_)) found.push_back(to_json(step));
    }
    std::vector<PlanStep> steps;
    for (const Json& step : parse_json(ranks_.broadcast(found.dump()))) {
      steps.push_back(step_from_json(step, "rank 0's steps"));
    }
    return steps;
  }

  // Ranks use the same metrics, so they agree unless different kinds of machines compute different
  // scores.
  void check_agreement(const MixStep& step) {
    if (ranks_.size() == 1) return;
    const std::string own = to_json(step.plan).dump();
    if (ranks_.broadcast(own) == own) return;
    throw bad_input("rank {} selected another step {} than rank 0", ranks_.rank(), step.number)
        .hint("run all ranks on machines of the same kind, or a single one");
  }

  Model seen(const Model& model) const { return seeing(model, run_, scratch_, progress_); }

  std::vector<Validation> validate(const std::vector<Model>& models) {
    std::vector<const Model*> pointers;
    for (const Model& model : models) pointers.push_back(&model);
    return validator_->validate(pointers, progress_);
  }

  std::string of_all(int64_t number) const {
    if (steps_ == 0) return "";
    if (knows_its_steps(run_)) return fmt::format(" of {}", steps_);
    return fmt::format(" of about {}", std::max(steps_, number));
  }

  void record(const MixStep& step, const Model& model) {
    check_mappings();
    check_agreement(step);
    Json metrics = step_metrics(step, run_.dense, model.config());
    const Json target = target_metrics(run_.recipe.target, run_.dense.config(), model.config());
    if (!target.is_null()) metrics["target"] = target;
    if (folder_ != nullptr) write_step(*folder_, step, metrics, measured_);
    journal_.begin_step(step.number + 1);
    measured_ = {};
    seconds_.push_back({{"step", step.number}, {"seconds", watch_.seconds()}});
    watch_ = Stopwatch();
    const std::string counted =
        target.is_null()
            ? ""
            : fmt::format(", {} of the {}", percent(target["removed_fraction"].get<double>()),
                          run_.recipe.target.currency);
    progress_.note(fmt::format("step {}{}: {}, {}, {} parameters, {} removed{}", step.number,
                               of_all(step.number), step.plan.branch,
                               shape_text(run_.dense.config(), model.config()),
                               with_commas(step.plan.parameters),
                               percent(metrics["removed_fraction"].get<double>()), counted));
    progress_.advance(step.number);
  }

  const PreparedRun& run_;
  const RunFolder* folder_;
  const fs::path scratch_;
  Progress& progress_;
  Collectives& ranks_;
  MixRecipe mix_;
  MeasureSetup setup_;
  std::optional<Validator> validator_;
  StepMeasures measured_;
  JudgeJournal journal_;
  const int64_t steps_;  ///< 0 = unknown
  Stopwatch watch_;
  Json seconds_ = Json::array();
};

// A model of its final shape, and its training.
struct Finished {
  Model model;
  std::vector<PlanStep> steps;
  Json figures;           ///< of the pruned model
  Json repaired_figures;  ///< null without repair or held-out text
  Json sparse_figures;    ///< null without sparsity or held-out text
  const std::optional<PruneRecovery>& recovery;
  std::optional<TrainedModel> trained;
  Json rounds = nullptr;  ///< see TrainingRounds::outcome; null if no step was trained
};

// The part of a run that all ranks share.
Finished work(const PreparedRun& prepared, Run& run, const std::optional<PruneRecovery>& recovery,
              const fs::path& folder, Collectives& ranks, Progress& progress) {
  std::optional<TrainingRounds> rounds;
  if (prepared.recipe.recovers_steps) {
    const auto figures = [&](const Model& model) { return run.figures_of(model); };
    rounds.emplace(*recovery, prepared.dense, folder, ranks, figures, progress);
  }
  MixResult result = prepared.replay ? run.replay() : run.search(rounds ? &*rounds : nullptr);
  Finished finished{result.model,
                    std::move(result.steps),
                    run.figures_of(result.model),
                    nullptr,
                    nullptr,
                    recovery,
                    std::nullopt};
  for (const RepairPass& pass : repairs_at_end(prepared.recipe.repair)) {
    Run::Repaired repaired = run.repair(pass, finished.model);
    finished.model = std::move(repaired.model);
    if (!repaired.figures.is_null()) finished.repaired_figures = std::move(repaired.figures);
  }
  if (!prepared.recipe.weights.is_null()) {
    finished.model = sparsified(prepared, finished.model, run.scratch(), progress);
    finished.sparse_figures = run.figures_of(finished.model);
  }
  if (rounds && ranks.rank() == 0) finished.rounds = rounds->outcome(finished.steps.size());
  if (!recovery || rounds) return finished;
  finished.trained =
      recover_pruned(*recovery, prepared.dense, finished.model, folder, ranks, progress);
  if (ranks.rank() > 0) run.figures_of(finished.trained->model);
  return finished;
}

// Everything after the last step: metrics, plan, checkpoint, verification, and the rename.
Json finish(RunFolder& folder, const PreparedRun& prepared, Run& run, const Finished& result,
            const Json& before, Json timing, Progress& progress) {
  const Stopwatch watch;
  Json figures = figures_json(prepared, before, result.figures);
  if (!result.repaired_figures.is_null()) figures["repaired"] = result.repaired_figures;
  if (!result.sparse_figures.is_null()) figures["sparse"] = result.sparse_figures;
  if (!result.rounds.is_null() && !figures.is_null()) {
    figures.update(result.rounds["rounds"].back()["figures"]);
  }
  check_mappings();
  Json origin = made_by(prepared, figures);

  Json metrics = size_metrics(prepared, result.model);
  const Model& model = result.trained ? result.trained->model : result.model;
  if (!prepared.recipe.weights.is_null()) {
    metrics["weights"] = weights_metrics(prepared.recipe.weights, model);
  }
  if (result.trained) {
    if (!figures.is_null()) figures["recovered"] = run.figures_of(model);
    if (!figures.is_null() && judges_training_text(*result.recovery, prepared.recipe)) {
      figures["source"] = word_of(figures, "source") + "; recovery trains on the same file";
    }
    metrics["recovery"] = result.trained->outcome;
    timing["recovery"] = result.trained->timing;
  }
  if (!result.rounds.is_null()) metrics["recovery"] = result.rounds;
  metrics["figures"] = figures;
  if (metrics.contains("recovery")) {
    origin["recovery"] = metrics["recovery"];
    origin["figures"] = figures;
  }
  metrics["steps"] = step_lines(folder, result.steps.size());

  run.wait_for_ranks();
  folder.clean();
  write_hf(model, folder.work(), {.model_card = card_text(prepared, model, origin, metrics)},
           progress);
  verify_written(folder.work(), model, progress);
  write_plan(prepared.dense, model, result.steps, origin, folder.work());
  timing["steps"] = run.seconds();
  timing["finish_seconds"] = watch.seconds();
  timing["finished"] = utc_now();
  metrics["timing"] = timing;
  write_file(folder.run() / "metrics.json", to_text(metrics));
  write_run_report(folder.work());
  progress.note("wrote " + folder.out().string());
  folder.publish();
  metrics["out"] = folder.out().string();
  return metrics;
}

// Work of ranks other than 0: the same measurements in the same order, without writing.
Json follow(PreparedRun& prepared, const std::optional<PruneRecovery>& recovery, Progress& progress,
            Collectives& ranks) {
  const fs::path folder = ranks.broadcast(std::string_view());
  if (folder.empty()) return nullptr;
  show_pictures(prepared, scratch_of_rank(folder), progress);
  complete_costs(prepared, "", ranks, progress);
  Run run(prepared, nullptr, scratch_of_rank(folder), progress, ranks);
  run.figures_of(prepared.dense);
  work(prepared, run, recovery, "", ranks, progress);
  run.wait_for_ranks();
  return nullptr;
}

}  // namespace

Json prune(const Recipe& recipe, const PruneCommand& command, Progress& listener,
           Collectives& ranks) {
  PreparedRun prepared = prepare(recipe, listener);
  const auto recovery =
      open_recovery(prepared.recipe, prepared.dense, prepared.tokenizer, listener);
  const Json manifest = prune_manifest(prepared, recovery, ranks.size());
  check_same_inputs(manifest, ranks, listener);
  if (ranks.rank() != 0) return follow(prepared, recovery, listener, ranks);
  RunFolder folder = RunFolder::claim(command.out, prepared.recipe.model, command.if_there);
  if (!folder.finished()) check_room(folder, prepared.needs);
  continue_or_record(folder, prepared, manifest, listener);
  ranks.broadcast(std::string_view(folder.finished() ? "" : folder.run().native()));
  if (folder.finished()) return finished_result(folder, listener);

  RunLog progress(folder.run() / "run.log", listener);
  for (const std::string& line : announcement(prepared)) progress.note(line);
  for (const std::string& line : prepared.warnings) progress.warn(line);
  if (recovery && judges_training_text(*recovery, prepared.recipe)) {
    progress.warn(
        "figures after recovery are measured on the file that it trains on, and so are too good: "
        "--validation FILE gives text that nothing has seen");
  }
  warn_of_memory(prepared.needs, progress);
  progress.note("working folder: " + folder.work().string());
  try {
    show_pictures(prepared, folder.run(), progress);
    complete_costs(prepared, folder.run() / "latency.json", ranks, progress);
    Json timing = {{"started", utc_now()}};
    Run run(prepared, &folder, folder.run(), progress, ranks);
    const Json before = run.figures_of(prepared.dense);
    const Finished result = work(prepared, run, recovery, folder.run(), ranks, progress);
    return finish(folder, prepared, run, result, before, timing, progress);
  } catch (const std::exception&) {
    rethrow_resumable(
        {progress.doing(),
         "a smaller MOP_DEVICE_MEMORY streams weights, and may be changed with --resume; fewer or "
         "shorter samples, --dtype bfloat16 or another device need a new run",
         prepared.compute.device});
  }
}

}  // namespace mop
