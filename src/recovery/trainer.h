// recovery/trainer.h -- the loop: batches, steps, validation, saving, stopping. The same data,
// options and thread count give the same losses to the last bit, however often it was interrupted.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/json.h"
#include "base/progress.h"
#include "collectives/collectives.h"
#include "gradient/adamw.h"
#include "gradient/training_pass.h"
#include "text/training_batches.h"

namespace mop {

/// How the micro-batches of one step become one loss.
enum class Accumulation {
  kSamples,  ///< mean over micro-batches of their mean over tokens (transformers to 4.45); a step's
             ///< micro-batches go on into the next epoch
  kTokens    ///< mean over all the step's tokens (transformers from 4.46); an epoch's last step may
             ///< have fewer micro-batches
};
/// "samples" or "tokens". Throws Error(kUsage).
Accumulation accumulation_from_name(std::string_view name);

/// The defaults are the MoP paper's.
struct TrainOptions {
  double learning_rate = 3e-4;
  std::string schedule = "linear";
  double warmup = 0;  ///< fraction of the run
  AdamWOptions adamw;
  Accumulation rule = Accumulation::kTokens;
  int64_t accumulate = 16;  ///< micro-batches of a step, over all ranks
  /// The run ends when the first of these is reached; 0 = no such limit. At least one is needed.
  double epochs = 0;
  int64_t tokens = 0;  ///< read, scored or not
  double minutes = 0;  ///< of training, over all resumed runs
  int64_t steps = 0;
  int64_t piece_tokens = 2048;  ///< samples of a step run together up to so many tokens
  int64_t validate_every =
      0;                   ///< steps; 0 = a tenth of an epoch. Validation happens at the end too
  int64_t patience = 0;    ///< ends after so many validations without a better one; 0 = never
  int64_t save_every = 0;  ///< steps; 0 = every five minutes, and when it is stopped
  uint64_t seed = 0;       ///< of what is dropped
};

/// What one step did.
struct StepReport {
  int64_t step = 0;  ///< from 1
  double epoch = 0;  ///< data seen so far
  double loss = 0;
  double learning_rate = 0;
  double gradient_norm = 0;               ///< before clipping
  int64_t scored_tokens = 0, tokens = 0;  ///< of this step, over all ranks
  double seconds = 0;
};
struct ValidationReport {
  int64_t step = 0;
  double nll = 0;  ///< nats a scored token
  int64_t scored_tokens = 0;
  bool best = false;
};

/// What the loop tells, and where it keeps its state (rank 0 alone writes). Functions may be empty.
struct TrainerHooks {
  std::filesystem::path state;  ///< folder; empty = nothing is kept
  std::function<void(const StepReport&)> on_step;
  std::function<void(const ValidationReport&)> on_validation;
};

struct TrainOutcome {
  int64_t steps = 0, tokens = 0, scored_tokens = 0;
  double seconds = 0;
  double loss = 0;                            ///< of the last step
  std::optional<double> first_nll, best_nll;  ///< on the validation data
  int64_t best_step = 0;
  std::string ended_by;  ///< "epochs", "tokens", "minutes", "steps", "patience"
};
Json to_json(const TrainOutcome& outcome);

class Trainer {
 public:
  /// Refers to everything it is given. `validation` may be null.
  Trainer(TrainingPass& pass, Parameters& parameters, TrainingBatches& batches,
          const TrainingData* validation, const TrainOptions& options, Collectives& ranks,
          Progress& progress);
  ~Trainer();

  /// Continues from the state in `folder`; false when there is none. Throws Error(kBadInput) when
  /// it belongs to another run.
  bool restore(const std::filesystem::path& folder);
  /// Steps that a restored run had done.
  int64_t steps_done() const;
  /// The last step it had validated after; -1 = none.
  int64_t judged_step() const;
  /// Trains to the end and leaves the best parameters (the last ones without validation). When it
  /// is asked to stop, memory runs out (Error(kIo), see tensor/device_error.h), or a loss is not
  /// finite (Error(kBadInput)), the last good state is saved first.
  TrainOutcome run(const TrainerHooks& hooks);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mop
