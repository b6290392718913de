// jobs/bench.h -- mop bench: latency of a model, optionally compared with another one.
#pragma once
#include <filesystem>

#include "base/json.h"
#include "base/progress.h"
#include "eval/latency.h"
#include "jobs/tasks.h"

namespace mop {

struct BenchJob {
  std::filesystem::path model;
  std::filesystem::path
      versus;  ///< a second model, measured alternately with the first; empty = none
  LatencyOptions options;
  ComputeChoice compute;
};

/// Returns {prompt_tokens, new_tokens, batch, repeats, warmups, device, dtype, threads, machine,
/// models, ratios, read_bandwidth, foreign_load, foreign_by_round, quiet}: `LatencyReport` and the
/// conditions of the measurement. Each of `models` also has its folder, parameters and
/// block_parameters. Vision-language models also have {parts} (parameters by name) and are measured
/// with images: `picture_tokens`, per model picture {encode_seconds: image processor, tower and
/// projector for one image; first_token_seconds: of the prompt with an additional image}, ratios
/// picture_first_token. Warns if other processes used the machine or the weights exceed memory.
/// Throws as `measure_latency`; Error(kBadInput) if weights that must be copied do not fit.
Json bench(const BenchJob& job, Progress& progress);

}  // namespace mop
