// jobs/train_model.cc
#include "jobs/train_model.h"

#include <cmath>
#include <sstream>

#include "base/error.h"
#include "base/files.h"
#include "base/line_file.h"
#include "base/parse_json.h"
#include "base/read_values.h"
#include "base/stopwatch.h"
#include "jobs/rate_sweep.h"
#include "model/family.h"
#include "recovery/step_batches.h"
#include "report/table.h"
#include "run/run_log.h"
#include "run/runtime.h"
#include "run/scratch_folder.h"
#include "run/teacher_layers.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

constexpr int64_t kMostHeldOut = 256;
// Limit for counting a run's steps; trials do not become longer beyond it.
constexpr int64_t kMostCounted = 600;
// Seconds between progress lines.
constexpr double kTellSeconds = 20;

std::vector<ParameterSpec> specs_of(const RecoverRecipe& recipe, const Model& model) {
  return recipe.low_rank() ? lora_parameters(model, recipe.lora, recipe.train.seed)
                           : all_weights(model);
}

std::optional<Teacher> make_teacher(const TrainingJob& job) {
  if (!job.teacher) return std::nullopt;
  const ModelConfig &dense = job.teacher->config(), &student = job.model.config();
  if (dense.vocab != student.vocab) {
    throw bad_input("the teacher's vocabulary has {} tokens, but the model's has {}", dense.vocab,
                    student.vocab)
        .hint("a teacher must share the model's tokenizer");
  }
  Teacher teacher{*job.teacher, job.recipe.mix, job.recipe.hidden_share, {}};
  if (teacher.hidden_share > 0) {
    if (dense.hidden != student.hidden) {
      throw bad_input("hidden states of width {} cannot be compared with the teacher's of width {}",
                      student.hidden, dense.hidden)
          .hint("distil.hidden=0");
    }
    teacher.layers = teacher_layers(job.model, *job.teacher);
  }
  return teacher;
}

// metrics.jsonl: lines that a resumed run will repeat are removed first.
class Metrics {
 public:
  Metrics(const fs::path& file, const Trainer& trainer) {
    std::string kept;
    if (fs::exists(file)) {
      std::istringstream in(read_file(file));
      for (std::string line; std::getline(in, line);) {
        const std::optional<Json> json = try_parse_json(line);
        if (!json) continue;
        const bool judges = json->contains("validation_nll");
        const int64_t last = judges ? trainer.judged_step() : trainer.steps_done();
        const Json& step = part_of(*json, "step");
        if (is_whole_number(step) && step.get<int64_t>() <= last) kept += line + "\n";
      }
    }
    write_file(file, kept);
    out_.emplace(file);
  }
  void add(const Json& line) { out_->add(line.dump()); }

 private:
  std::optional<LineFile> out_;
};

// Records the run and reports its progress.
class Reporter {
 public:
  Reporter(Progress& progress, Metrics* metrics) : progress_(progress), metrics_(metrics) {}

  void step(const StepReport& r) {
    const double speed = static_cast<double>(r.tokens) / std::max(r.seconds, 1e-9);
    if (metrics_ != nullptr) {
      metrics_->add({{"step", r.step},
                     {"epoch", r.epoch},
                     {"loss", r.loss},
                     {"learning_rate", r.learning_rate},
                     {"gradient_norm", r.gradient_norm},
                     {"tokens", r.tokens},
                     {"scored_tokens", r.scored_tokens},
                     {"timing", {{"seconds", r.seconds}, {"tokens_per_second", speed}}}});
    }
    tokens_ += r.tokens;
    seconds_ += r.seconds;
    if (first_ || told_.seconds() > kTellSeconds) {
      progress_.note(fmt::format("step {}, epoch {:.2f}: loss {:.4f}, {} tokens/s", r.step, r.epoch,
                                 r.loss, with_commas(static_cast<int64_t>(tokens_ / seconds_))));
      told_ = Stopwatch();
      tokens_ = 0;
      seconds_ = 0;
    }
    first_ = false;
  }

  void validation(const ValidationReport& r) {
    if (metrics_ != nullptr) {
      metrics_->add({{"step", r.step}, {"validation_nll", r.nll}, {"best", r.best}});
    }
    progress_.note(fmt::format("step {}: validation loss {:.4f}, perplexity {:.3f}{}", r.step,
                               r.nll, std::exp(r.nll), r.best && r.step > 0 ? ", the best" : ""));
  }

 private:
  Progress& progress_;
  Metrics* metrics_;
  Stopwatch told_;
  bool first_ = true;
  double tokens_ = 0, seconds_ = 0;
};

void announce(const TrainingJob& job, const Parameters& parameters, int64_t kept,
              Progress& progress) {
  const RecoverRecipe& r = job.recipe;
  progress.note(fmt::format(
      "{}: trains {} of {} parameters on {} samples, {} held out", r.method,
      with_commas(parameters.numel()), with_commas(total_parameters(job.model.config())),
      with_commas(job.texts.data.size()),
      job.texts.validation ? with_commas(job.texts.validation->size()) : "0"));
  if (kept < job.model.num_layers()) {
    progress.note(
        fmt::format("{} of {} layers are recomputed in the backward pass to save "
                    "memory (memory.activation_gib)",
                    job.model.num_layers() - kept, job.model.num_layers()));
  }
}

// A part of the data, of which only the whole is known to have something to learn.
void require_targets(const TrainingData& part, const std::string& what, const std::string& hint) {
  if (part.has_target()) return;
  throw bad_input("there is nothing to learn in {}: their answers begin behind the last token read",
                  what)
      .hint(hint);
}

TrainingData open_data(const fs::path& file, std::shared_ptr<const Tokenizer> tokenizer,
                       TrainingDataOptions form, Pictures& pictures, Progress& progress) {
  pictures.add_all(file);
  form.place = pictures.placing(file);
  TrainingData data = TrainingData::open(file, std::move(tokenizer), form);
  for (const std::string& note : data.notes()) progress.warn(note);
  return data;
}

}  // namespace

TrainingTexts open_texts(const RecoverRecipe& recipe, std::shared_ptr<const Tokenizer> tokenizer,
                         const Model& model, Progress& progress) {
  if (recipe.data.empty()) throw usage_error("there is nothing to train on").hint("--data FILE");
  TrainingDataOptions form = recipe.form;
  if (form.form == "auto" || form.form == "chat")
    form.chat = read_chat_template(model.checkpoint().folder());
  auto pictures = std::make_shared<Pictures>(model, recipe.images);
  TrainingTexts texts{open_data(recipe.data, tokenizer, form, *pictures, progress), std::nullopt,
                      "", pictures};
  if (!recipe.validation.empty()) {
    texts.validation = open_data(recipe.validation, tokenizer, form, *pictures, progress);
    texts.validation_source = fs::path(recipe.validation).filename().string();
    return texts;
  }
  const int64_t held_out =
      recipe.held_out >= 0 ? recipe.held_out : std::min(texts.data.size() / 50, kMostHeldOut);
  if (held_out == 0) return texts;
  auto [data, validation] = texts.data.split_last(held_out);
  require_targets(data, "the samples that are left to train on",
                  "another --set validation.samples, a --validation file, or more "
                  "--set data.max_tokens");
  require_targets(validation, fmt::format("the {} samples held out for validation", held_out),
                  "another --set validation.samples (0: none), a --validation file, or more "
                  "--set data.max_tokens");
  texts.data = std::move(data);
  texts.validation = std::move(validation);
  texts.validation_source = fmt::format("the data's last {} samples", held_out);
  return texts;
}

namespace {

// Whether progress is reported: by the run, not by trials of learning rates.
enum class Telling { kRun, kTrial };

// Everything except the parameters is released on return.
TrainOutcome train(const TrainingJob& job, TrainOptions loop, const Compute& compute,
                   Parameters& parameters, const fs::path& state, Telling telling,
                   Progress& progress) {
  const RecoverRecipe& r = job.recipe;
  PassOptions options;
  options.scale = r.lora.scale();
  options.dropout = r.low_rank() ? r.lora.dropout : 0;
  if (r.activation_gib >= 0) {
    options.activation_bytes = static_cast<int64_t>(r.activation_gib * (1 << 30));
  }
  TrainingPass pass(job.model, compute, parameters, options, make_teacher(job));
  TrainingBatches batches(job.texts.data, r.batch);
  const TrainingData* validation = job.texts.validation ? &*job.texts.validation : nullptr;
  if (loop.piece_tokens == 0) loop.piece_tokens = pass.best_piece_tokens();
  Trainer trainer(pass, parameters, batches, validation, loop, job.ranks, progress);

  TrainerHooks hooks;
  hooks.state = state;
  if (job.ranks.rank() == 0) fs::create_directories(state);
  const bool writes = job.ranks.rank() == 0 && telling == Telling::kRun;
  if (writes) {
    announce(job, parameters, pass.layers_kept(loop.piece_tokens), progress);
  }
  if (trainer.restore(state) && writes) {
    progress.note(fmt::format("continues after step {}", trainer.steps_done()));
  }
  std::optional<Metrics> metrics;
  if (writes) metrics.emplace(job.run / "metrics.jsonl", trainer);
  Reporter reporter(writes ? progress : silent_progress(), metrics ? &*metrics : nullptr);
  hooks.on_step = [&](const StepReport& report) { reporter.step(report); };
  hooks.on_validation = [&](const ValidationReport& report) { reporter.validation(report); };
  return trainer.run(hooks);
}

// Number of steps of the run, up to kMostCounted; INT64_MAX if only time limits it.
int64_t planned_steps(const TrainingJob& job) {
  const TrainOptions& limits = job.recipe.train;
  if (limits.epochs == 0 && limits.tokens == 0) return INT64_MAX;
  TrainingBatches batches(job.texts.data, job.recipe.batch);
  const int64_t most = limits.epochs > 0 ? steps_of_epochs(batches, limits) : INT64_MAX;
  if (limits.tokens == 0) return most;
  int64_t steps = 0;
  for (int64_t tokens = 0; tokens < limits.tokens && steps < std::min(most, kMostCounted);
       ++steps) {
    tokens += next_step(batches, limits, job.ranks).tokens;
  }
  return steps;
}

// A trial: the first tenth of the data's order, with the complete schedule.
TrainOptions trial_options(const TrainOptions& run, int64_t steps) {
  TrainOptions trial = run;
  trial.epochs = 0;
  trial.tokens = 0;
  trial.minutes = run.minutes / 10;
  trial.steps = steps;
  trial.patience = 0;
  trial.validate_every = steps;
  return trial;
}

RateChoice rate_of(const TrainingJob& job, const Compute& compute, Progress& progress) {
  const RecoverRecipe& r = job.recipe;
  const RateChoice first{r.train.learning_rate, {}};
  if (r.rates.size() < 2) return first;
  const int64_t steps = job.texts.validation ? trial_steps(planned_steps(job)) : 0;
  if (steps == 0) {
    progress.note(fmt::format("learning rate {:g}: {}", first.rate,
                              job.texts.validation ? "the run is too short to try others"
                                                   : "there is no held-out text to try others"));
    return first;
  }
  const auto try_rate = [&](double rate, const fs::path& state) {
    TrainOptions trial = trial_options(r.train, steps);
    trial.learning_rate = rate;
    Parameters parameters(specs_of(r, job.model), compute);
    const TrainOutcome outcome =
        train(job, trial, compute, parameters, state, Telling::kTrial, progress);
    release_memory();
    return RateTrial{rate, *outcome.best_nll, outcome.steps};
  };
  progress.note(fmt::format("trying {} learning rates, {} steps each", r.rates.size(), steps));
  return choose_rate(r.rates, job.run, job.ranks, progress, try_rate);
}

// Trains with the images of the data encoded by both models.
TrainedModel train_seeing(const TrainingJob& job, const Compute& compute, const fs::path& scratch,
                          Progress& progress) {
  const RecoverRecipe& r = job.recipe;
  const RateChoice rate = rate_of(job, compute, progress);
  Parameters parameters(specs_of(r, job.model), compute);
  TrainOptions options = r.train;
  options.learning_rate = rate.rate;
  const TrainOutcome outcome =
      train(job, options, compute, parameters, job.run / "state", Telling::kRun, progress);
  release_memory();  // the next phase needs about as much memory, in other blocks
  if (outcome.best_nll && outcome.best_step == 0) {
    progress.warn(fmt::format(
        "no step of the training was better on held-out text than the model before it (loss "
        "{:.4f}): "
        "the result has the values of before; a lower learning rate or more data may help",
        *outcome.first_nll));
  }
  TrainedModel result{merged(job.model, parameters, r.lora, scratch), to_json(outcome), {}, {}};
  result.outcome["learning_rate"] = rate.rate;
  if (!rate.trials.empty()) result.outcome["trials"] = to_json(rate.trials);
  result.timing = {
      {"seconds", outcome.seconds},
      {"tokens_per_second", static_cast<double>(outcome.tokens) / std::max(outcome.seconds, 1e-9)}};
  for (size_t i = 0; r.low_rank() && i < parameters.count(); ++i) {
    result.adapter[parameters.spec(i).name] = parameters.value(i).cpu().clone();
  }
  check_mappings();
  return result;
}

}  // namespace

TrainedModel train_model(const TrainingJob& job, Progress& progress) {
  const Compute compute = open_compute(job.recipe.device, job.recipe.dtype);
  job.ranks.meet_on(compute.device);
  const fs::path scratch = job.ranks.rank() == 0 ? job.run : scratch_of_rank(job.run);
  const Model model = job.texts.pictures->shown_to(job.model, compute, scratch, progress);
  std::optional<Model> teacher = job.teacher;
  if (teacher && have_one_tower(*teacher, model))
    teacher = teacher->with_input_rows(model.input_rows());  // with equal towers the rows are equal
  else if (teacher)
    teacher = job.texts.pictures->shown_to(*teacher, compute, scratch, progress);
  TrainedModel trained =
      train_seeing({job.recipe, model, std::move(teacher), job.texts, job.run, job.ranks}, compute,
                   scratch, progress);
  trained.model = trained.model.with_input_rows(job.model.input_rows());
  return trained;
}

}  // namespace mop
