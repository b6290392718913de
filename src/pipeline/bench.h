// pipeline/bench.h -- mop bench: what a user of a model waits, beside another model's.
#pragma once
#include <filesystem>

#include "base/json.h"
#include "base/progress.h"
#include "eval/latency.h"
#include "pipeline/tasks.h"

namespace mop {

struct BenchJob {
  std::filesystem::path model;
  std::filesystem::path versus;  ///< a second model, measured in turn with the first; empty = none
  LatencyOptions options;
  ComputeChoice compute;
};

/// {prompt_tokens, new_tokens, batch, repeats, warmups, device, dtype, threads, machine, models,
/// ratios, read_bandwidth, foreign_load, foreign_by_round, quiet}: `LatencyReport` and what it was
/// measured with. Each of `models` has its folder, parameters and block_parameters too. Models that
/// see have {parts} (parameters by name) and are shown pictures: `picture_tokens`, for each model
/// picture {encode_seconds: image processor, tower and projector for one picture;
/// first_token_seconds: of the prompt with as many more tokens}, ratios picture_first_token. Warns
/// when others used the machine, and when the weights do not fit in memory. Throws as
/// `measure_latency`; Error(kBadInput) when weights that must be copied do not fit.
Json bench(const BenchJob& job, Progress& progress);

}  // namespace mop
