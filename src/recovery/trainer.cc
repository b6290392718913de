// recovery/trainer.cc
#include "recovery/trainer.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <chrono>
#include <cmath>

#include "base/error.h"
#include "recovery/step_batches.h"
#include "recovery/training_state.h"
#include "tensor/device_error.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

using Clock = std::chrono::steady_clock;
constexpr double kSaveSeconds = 300;
constexpr int64_t kProgressUnits = 10000;

double since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check(const TrainOptions& o) {
  const auto refuse = [](const char* key, const char* rule, double got) {
    throw usage_error("{} must be {}, got {}", key, rule, got);
  };
  if (o.epochs < 0) refuse("epochs", "above 0", o.epochs);
  if (o.tokens < 0) refuse("tokens", "above 0", static_cast<double>(o.tokens));
  if (o.minutes < 0) refuse("minutes", "above 0", o.minutes);
  if (o.epochs == 0 && o.tokens == 0 && o.minutes == 0 && o.steps == 0) {
    throw usage_error("no limit of the training is given").hint("--epochs, --tokens or --minutes");
  }
  if (!(o.learning_rate > 0)) refuse("learning_rate", "above 0", o.learning_rate);
  if (o.warmup < 0 || o.warmup >= 1) refuse("warmup", "in [0, 1)", o.warmup);
  if (o.accumulate < 1) refuse("accumulate", "at least 1", static_cast<double>(o.accumulate));
}

}  // namespace

Accumulation accumulation_from_name(std::string_view name) {
  if (name == "samples") return Accumulation::kSamples;
  if (name == "tokens") return Accumulation::kTokens;
  throw usage_error("unknown accumulation rule '{}'", name).hint("known: samples, tokens");
}

Json to_json(const TrainOutcome& o) {
  const auto number = [](const std::optional<double>& v) { return v ? Json(*v) : Json(); };
  return {{"steps", o.steps},
          {"tokens", o.tokens},
          {"scored_tokens", o.scored_tokens},
          {"loss", o.loss},
          {"nll_before", number(o.first_nll)},
          {"nll_best", number(o.best_nll)},
          {"best_step", o.best_step},
          {"ended_by", o.ended_by}};
}

struct Trainer::State {
  TrainingPass& pass;
  Parameters& parameters;
  TrainingBatches& batches;
  TrainOptions options;
  Collectives& ranks;
  Progress& progress;
  AdamW adamw;
  const Schedule& schedule;
  std::vector<TrainingPiece> validation;
  bool validates;
  TrainingCounters done;
  at::Tensor best_P;        // used when there is no folder to store them
  int64_t total_steps = 0;  // 0 = limited by neither epochs nor steps
  int64_t validate_every = 0;
  Clock::time_point last_save = Clock::now();
  bool moving = false;  // true while values and counters may belong to different steps
  // The micro-batches of the step after `done`, and the data position after them.
  struct Work {
    StepBatches batches;
    TrainingBatches::Position end;
  };
  std::optional<Work> ahead;

  State(TrainingPass& p, Parameters& values, TrainingBatches& b, const TrainingData* held_out,
        const TrainOptions& o, Collectives& r, Progress& listener)
      : pass(p),
        parameters(values),
        batches(b),
        options(o),
        ranks(r),
        progress(listener),
        adamw(values, o.adamw),
        schedule(find_schedule(o.schedule)),
        validates(held_out != nullptr) {
    check(options);
    if (held_out != nullptr) validation = validation_pieces(*held_out, options.piece_tokens, ranks);
    if (options.epochs > 0) total_steps = steps_of_epochs(batches, options);
    if (options.steps > 0 && (total_steps == 0 || options.steps < total_steps)) {
      total_steps = options.steps;
    }
    TrainOptions one = options;
    one.epochs = 1;
    validate_every = options.validate_every > 0
                         ? options.validate_every
                         : std::max<int64_t>(1, steps_of_epochs(batches, one) / 10);
  }

  // Returns the completed fraction of the run, by the limit that is nearest.
  double fraction() const {
    double most = 0;
    const auto reach = [&](double part, double whole) {
      if (whole > 0) most = std::max(most, part / whole);
    };
    reach(static_cast<double>(done.step), static_cast<double>(total_steps));
    reach(static_cast<double>(done.tokens), static_cast<double>(options.tokens));
    // All ranks must compute the same number.
    reach(ranks.size() == 1 ? done.seconds : ranks.sum(ranks.rank() == 0 ? done.seconds : 0),
          options.minutes * 60);
    return most;
  }

  bool impatient() const {
    return options.patience > 0 && done.validations_since_best >= options.patience;
  }

  std::string ended_by() const {
    if (impatient()) return "patience";
    if (options.steps > 0 && done.step >= options.steps) return "steps";
    if (total_steps > 0 && done.step >= total_steps) return "epochs";
    return options.tokens > 0 && done.tokens >= options.tokens ? "tokens" : "minutes";
  }

  double epoch() const {
    return static_cast<double>(done.position.epoch) +
           static_cast<double>(done.position.next) / static_cast<double>(batches.data().size());
  }

  Work next_work() {
    if (ahead) return *std::exchange(ahead, std::nullopt);
    Work work{next_step(batches, options, ranks), {}};
    work.end = batches.position();
    return work;
  }

  LossSums add_gradients(const StepBatches& step) {
    for (const TrainingPiece& piece : step.pieces) {
      // A single rank may stop here; several ranks stop together between steps.
      if (ranks.size() == 1) check_stop();
      pass.start_gradients(piece, options.seed);
    }
    // Tokenises the next texts while the device computes.
    const bool last = total_steps > 0 && done.step + 1 >= total_steps;
    if (!parameters.values_P().is_cpu() && !last) ahead = next_work();
    return pass.finish();
  }

  StepReport step() {
    const Clock::time_point start = Clock::now();
    const double rate =
        options.learning_rate * learning_rate_factor(schedule, options.warmup, fraction());
    const auto [work, end] = next_work();
    // Discards the gradients of a step that was interrupted.
    parameters.gradients_P().zero_();
    pass.finish();
    const LossSums sums = add_gradients(work);
    if (ranks.size() > 1) ranks.all_reduce({parameters.gradients_P()});
    const double loss = ranks.size() > 1 ? ranks.sum(sums.loss) : sums.loss;
    moving = true;
    const double norm = std::isfinite(loss) ? adamw.step(rate) : loss;
    if (!std::isfinite(norm)) refuse(std::isfinite(loss) ? "gradient" : "loss");
    done.step += 1;
    done.tokens += work.tokens;
    done.scored_tokens += work.scored_tokens;
    done.loss = loss;
    done.position = end;
    moving = false;
    const double seconds = since(start);
    done.seconds += seconds;
    return {done.step, epoch(), loss, rate, norm, work.scored_tokens, work.tokens, seconds};
  }

  [[noreturn]] void refuse(const char* what) const {
    throw NotFinite(bad_input("the {} of step {} is not finite; what was trained before it is kept",
                              what, done.step + 1)
                        .hint("lower the learning rate (now " +
                              fmt::format("{}", options.learning_rate) +
                              "), or compute in float32"));
  }

  void validate(const TrainerHooks& hooks) {
    if (!validates) return;
    LossSums sums;
    for (const TrainingPiece& piece : validation) {
      if (ranks.size() == 1) check_stop();  // several ranks stop together between steps
      pass.start_evaluation(piece);
    }
    sums += pass.finish();
    const double nll = ranks.sum(sums.nll);
    const int64_t scored = ranks.sum(sums.scored);
    ValidationReport report{done.step, nll / static_cast<double>(std::max<int64_t>(scored, 1)),
                            scored, false};
    if (!done.first_nll) done.first_nll = report.nll;
    report.best = !done.best_nll || report.nll < *done.best_nll;
    if (report.best) keep_best(hooks);  // first, because it may fail
    done.validations_since_best = report.best ? 0 : done.validations_since_best + 1;
    done.judged_step = done.step;
    if (report.best) {
      done.best_nll = report.nll;
      done.best_step = done.step;
    }
    if (hooks.on_validation) hooks.on_validation(report);
  }

  void keep_best(const TrainerHooks& hooks) {
    if (hooks.state.empty()) {
      best_P = parameters.values_P().clone();
    } else if (ranks.rank() == 0) {
      save_best(hooks.state, parameters);
    }
  }

  void use_best(const TrainerHooks& hooks) {
    if (!validates || done.best_step == done.step) return;
    if (hooks.state.empty()) {
      const at::NoGradGuard no_grad;
      parameters.values_P().copy_(best_P);
      parameters.refresh();
    } else {
      if (ranks.rank() == 0) load_best(hooks.state, parameters);
      ranks.broadcast({parameters.values_P()});
      parameters.refresh();
    }
  }

  void save(const TrainerHooks& hooks) {
    if (!hooks.state.empty() && ranks.rank() == 0) {
      save_state(hooks.state, done, parameters, adamw);
    }
    last_save = Clock::now();
  }

  // Saves after memory ran out, unless the failure came during an update: values and counters are
  // then those of the last complete step. If saving fails too, the previous state remains.
  void save_if_whole(const TrainerHooks& hooks) {
    if (moving) return;
    try {
      save(hooks);
    } catch (const std::exception& e) {
      progress.warn("the last steps could not be saved: " + std::string(e.what()));
    }
  }

  Doing doing() const {
    return {fmt::format("step {} of the training, {} tokens at once", done.step + 1,
                        options.piece_tokens),
            "lower memory.piece_tokens or memory.activation_gib (--set; both may change with "
            "--resume), or, where weights stay on a device, MOP_DEVICE_MEMORY; --dtype bfloat16 "
            "needs a new run",
            parameters.values_P().device()};
  }

  bool time_to_save() const {
    return options.save_every > 0 ? done.step % options.save_every == 0
                                  : since(last_save) > kSaveSeconds;
  }

  // A signal to any rank stops all ranks, after the same step.
  void stop_together() const {
    // A signal after this exchange takes effect at the next step.
    const int64_t asked = stop_requested() != 0;
    if ((ranks.size() > 1 ? ranks.sum(asked) : asked) == 0) return;
    check_stop();
    throw Error(ErrorKind::kInterrupted, "another rank was asked to stop");
  }

  void loop(const TrainerHooks& hooks) {
    double reached = fraction();
    const auto judge_if_due = [&] {
      const bool due = reached >= 1 || done.step % validate_every == 0;
      if (due && done.judged_step < done.step) validate(hooks);
    };
    judge_if_due();  // before the first step, or the validation that was due when a run stopped
    while (reached < 1 && !impatient()) {
      stop_together();
      const StepReport report = step();
      if (hooks.on_step) hooks.on_step(report);
      reached = fraction();
      progress.advance(static_cast<int64_t>(std::min(reached, 1.0) * kProgressUnits));
      judge_if_due();
      if (time_to_save()) save(hooks);
    }
  }
};

Trainer::Trainer(TrainingPass& pass, Parameters& parameters, TrainingBatches& batches,
                 const TrainingData* validation, const TrainOptions& options, Collectives& ranks,
                 Progress& progress)
    : state_(std::make_unique<State>(pass, parameters, batches, validation, options, ranks,
                                     progress)) {}
Trainer::~Trainer() = default;

bool Trainer::restore(const fs::path& folder) {
  State& s = *state_;
  std::optional<TrainingCounters> counters;
  if (s.ranks.rank() == 0) counters = load_state(folder, s.parameters, s.adamw);
  counters = share_state(counters, s.parameters, s.adamw, s.ranks);
  if (!counters) return false;
  s.done = *counters;
  s.batches.seek(s.done.position);
  s.ahead.reset();
  return true;
}

int64_t Trainer::steps_done() const { return state_->done.step; }
int64_t Trainer::judged_step() const { return state_->done.judged_step; }

TrainOutcome Trainer::run(const TrainerHooks& hooks) {
  State& s = *state_;
  s.progress.begin("training", kProgressUnits);
  s.progress.advance(static_cast<int64_t>(std::min(1.0, s.fraction()) * kProgressUnits));
  try {
    s.loop(hooks);
  } catch (const Error& e) {
    // The parameters are those after the last complete step, since they change only at the end of a
    // step. Among several ranks, another one may have ended.
    const bool another_ended = e.kind() == ErrorKind::kIo && s.ranks.size() > 1;
    if (another_ended || e.kind() == ErrorKind::kInterrupted || e.kind() == ErrorKind::kBadInput) {
      s.save(hooks);
    } else if (is_out_of_memory(e)) {
      s.save_if_whole(hooks);
    }
    throw;
  } catch (const std::exception& e) {
    // A device that failed has lost its memory content; one that is out of memory has not.
    if (is_out_of_memory(e)) s.save_if_whole(hooks);
    const std::optional<Error> error = device_error(e, s.doing());
    if (error) throw *error;
    throw;
  }
  s.save(hooks);
  s.progress.end();
  const std::string ended_by = s.ended_by();
  s.use_best(hooks);
  return {s.done.step,      s.done.tokens,   s.done.scored_tokens, s.done.seconds, s.done.loss,
          s.done.first_nll, s.done.best_nll, s.done.best_step,     ended_by};
}

}  // namespace mop
