// recovery/training_state.h -- the state from which a stopped run continues identically, in one
// file that is written atomically.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "collectives/collectives.h"
#include "gradient/adamw.h"
#include "text/training_batches.h"

namespace mop {

/// Counters of the loop after a step.
struct TrainingCounters {
  int64_t step = 0, tokens = 0, scored_tokens = 0;
  double seconds = 0;
  double loss = 0;
  TrainingBatches::Position position;
  std::optional<double> first_nll, best_nll;
  int64_t best_step = 0;
  int64_t validations_since_best = 0;
  int64_t judged_step = -1;  ///< last step with a validation
};

/// FOLDER/state.safetensors: values, running means, counters.
void save_state(const std::filesystem::path& folder, const TrainingCounters& counters,
                Parameters& parameters, const AdamW& adamw);
/// Reads counters, and values into `parameters` and `adamw`; nullopt when there is no file. Throws
/// Error(kBadInput) when the number of parameters differs.
std::optional<TrainingCounters> load_state(const std::filesystem::path& folder,
                                           Parameters& parameters, AdamW& adamw);

/// Sends rank 0's counters and values to all ranks, since the others may not see the folder.
std::optional<TrainingCounters> share_state(const std::optional<TrainingCounters>& counters,
                                            Parameters& parameters, AdamW& adamw,
                                            Collectives& ranks);

/// FOLDER/best.safetensors: the parameters of the best validation so far.
void save_best(const std::filesystem::path& folder, Parameters& parameters);
void load_best(const std::filesystem::path& folder, Parameters& parameters);

}  // namespace mop
