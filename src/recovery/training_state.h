// recovery/training_state.h -- what a stopped run needs to go on as if it had not stopped, in one
// file that appears whole or not at all.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "collectives/collectives.h"
#include "gradient/adamw.h"
#include "text/training_batches.h"

namespace mop {

/// The loop's counters after a step.
struct TrainingCounters {
  int64_t step = 0, tokens = 0, scored_tokens = 0;
  double seconds = 0;
  double loss = 0;
  TrainingBatches::Position position;
  std::optional<double> first_nll, best_nll;
  int64_t best_step = 0;
  int64_t validations_since_best = 0;
  int64_t judged_step = -1;  ///< the last one that was validated
};

/// FOLDER/state.safetensors: values, running means, counters.
void save_state(const std::filesystem::path& folder, const TrainingCounters& counters,
                Parameters& parameters, const AdamW& adamw);
/// Counters alone from the file, values into `parameters` and `adamw`; nullopt when there is none.
/// Throws Error(kBadInput) when it holds another number of parameters.
std::optional<TrainingCounters> load_state(const std::filesystem::path& folder,
                                           Parameters& parameters, AdamW& adamw);

/// What rank 0 has, counters and values, on every rank: the folder need not be one that all see.
std::optional<TrainingCounters> share_state(const std::optional<TrainingCounters>& counters,
                                            Parameters& parameters, AdamW& adamw,
                                            Collectives& ranks);

/// FOLDER/best.safetensors: the values of the best validation so far.
void save_best(const std::filesystem::path& folder, Parameters& parameters);
void load_best(const std::filesystem::path& folder, Parameters& parameters);

}  // namespace mop
