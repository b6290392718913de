// recovery/trainer.h -- the training loop: batches, steps, validation, saving, stopping. Equal
// data, options and thread count give bit-identical losses, however often the run was interrupted.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/error.h"
#include "base/json.h"
#include "base/progress.h"
#include "collectives/collectives.h"
#include "gradient/adamw.h"
#include "gradient/training_pass.h"
#include "text/training_batches.h"

namespace mop {

/// How the micro-batches of one step form one loss.
enum class Accumulation {
  kSamples,  ///< mean over micro-batches of their mean over tokens (transformers to 4.45); a step
             ///< may continue into the next epoch
  kTokens  ///< mean over all tokens of the step (transformers from 4.46); the last step of an epoch
           ///< may have fewer micro-batches
};
/// Parses "samples" or "tokens". Throws Error(kUsage).
Accumulation accumulation_from_name(std::string_view name);

/// The defaults are the MoP paper's.
struct TrainOptions {
  double learning_rate = 3e-4;
  std::string schedule = "linear";
  double warmup = 0;  ///< fraction of the run
  AdamWOptions adamw;
  Accumulation rule = Accumulation::kTokens;
  int64_t accumulate = 16;  ///< micro-batches per step, over all ranks
  /// The run ends when the first of these limits is reached; 0 = no limit. At least one is
  /// required.
  double epochs = 0;
  int64_t tokens = 0;  ///< read, scored or not
  double minutes = 0;  ///< training time, over all resumed runs
  int64_t steps = 0;
  /// Maximum tokens of a piece: samples of a step that are run together.
  int64_t piece_tokens = 2048;
  /// Steps; 0 = a tenth of an epoch. Validation happens at the end too.
  int64_t validate_every = 0;
  int64_t patience = 0;    ///< end after this many validations without improvement; 0 = never
  int64_t save_every = 0;  ///< steps; 0 = every five minutes. Always saves when stopped
  uint64_t seed = 0;       ///< of dropout
};

/// Results of one step.
struct StepReport {
  int64_t step = 0;  ///< from 1
  double epoch = 0;  ///< epochs of data used so far
  double loss = 0;
  double learning_rate = 0;
  double gradient_norm = 0;               ///< before clipping
  int64_t scored_tokens = 0, tokens = 0;  ///< of this step, over all ranks
  double seconds = 0;
};
struct ValidationReport {
  int64_t step = 0;
  double nll = 0;  ///< nats per scored token
  int64_t scored_tokens = 0;
  bool best = false;
};

/// Callbacks of the loop, which may be empty, and the folder of its state, which only rank 0
/// writes.
struct TrainerHooks {
  std::filesystem::path state;  ///< folder; empty = no state is saved
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

/// A loss or a gradient is not finite: the learning rate is too high.
class NotFinite : public Error {
 public:
  explicit NotFinite(Error error) : Error(std::move(error)) {}
};

class Trainer {
 public:
  /// Keeps references to its arguments. `validation` may be null.
  Trainer(TrainingPass& pass, Parameters& parameters, TrainingBatches& batches,
          const TrainingData* validation, const TrainOptions& options, Collectives& ranks,
          Progress& progress);
  ~Trainer();

  /// Restores the state in `folder`; returns false when there is none. Throws Error(kBadInput) when
  /// it belongs to another run.
  bool restore(const std::filesystem::path& folder);
  /// Returns the number of steps done before the restore.
  int64_t steps_done() const;
  /// Returns the last step with a validation before the restore; -1 = none.
  int64_t judged_step() const;
  /// Trains to the end and leaves the best parameters (without validation, the last ones). Saves
  /// the last good state when a stop is requested, memory runs out (Error(kIo), see
  /// tensor/device_error.h), or a loss is not finite (Error(kBadInput)).
  TrainOutcome run(const TrainerHooks& hooks);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace mop
