// eval/latency.h -- how long a user waits: time to the first token, time per token, prompt speed.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/json.h"
#include "base/machine.h"
#include "base/progress.h"
#include "model/weights.h"

namespace mop {

/// One request: `batch` prompts of random tokens, each continued greedily to the full length.
/// The defaults are the paper's measurement (12 prompt and 128 generated tokens at batch 1).
struct LatencyOptions {
  int64_t prompt_tokens = 12;
  int64_t new_tokens = 128;  ///< at least 1; EOS does not end a request
  int64_t batch = 1;
  int64_t repeats = 5;  ///< counted requests of each model
  int64_t warmups = 1;  ///< requests not counted, first; at least 1, memory is measured in them
  uint64_t seed = 0;    ///< of the prompts' tokens
  int64_t probe_bytes = int64_t{1} << 30;  ///< memory that the read bandwidth is measured on
};

/// Middle, smallest and largest of some figures; the middle of an even number is the mean of two.
struct Spread {
  double median = 0, min = 0, max = 0;
};
/// Throws Error(kInternal) when there are none.
Spread spread_of(std::vector<double> values);

/// Wall-clock seconds of one request.
struct RequestTime {
  double first = 0;  ///< the whole prompt and the first new token
  double rest = 0;   ///< all other new tokens
};

/// What one model did. Times are wall-clock seconds.
struct Latency {
  Spread first_token_seconds;
  Spread token_seconds;  ///< of one request: the mean over the new tokens after the first
  Spread total_seconds;
  Spread prompt_tokens_per_second;  ///< of all sequences together, as the next one
  Spread new_tokens_per_second;     ///< first tokens left out
  int64_t weight_bytes = 0;  ///< read by every step of decoding: all weights in the compute dtype,
                             ///< but for the embedding, of which a step reads a row a sequence
  int64_t kv_cache_bytes = 0;     ///< of a full request
  double decode_bandwidth = 0;    ///< weight_bytes over the median of token_seconds
  double bandwidth_fraction = 0;  ///< of what memory gives (LatencyReport); caches may make it > 1
  ProcessMemory peak;  ///< what the process grew by while this model loaded and warmed up
};

/// Times of the first model over those of another, round by round.
struct LatencyRatios {
  Spread first_token, token, total;
};

struct LatencyReport {
  std::vector<Latency> models;        ///< in the order given
  std::vector<LatencyRatios> ratios;  ///< one for every model but the first
  Spread read_bandwidth;    ///< bytes per second that this machine's memory gives, once a round;
                            ///< zero on other devices than the CPU
  double foreign_load = 0;  ///< share of the machine that others used meanwhile, 0..1
  std::vector<double> foreign_by_round;  ///< the same for each counted round
};

/// What a figure is worth nothing beyond: the foreign load that `mop bench` warns of.
inline constexpr double kMostForeignLoad = 0.05;

/// Times of requests, [model][round], as figures. `new_tokens` 1 leaves those per token at zero.
LatencyReport summarise(const std::vector<std::vector<RequestTime>>& times,
                        const LatencyOptions& options);

/// Runs the models in turn, A B A B ..., so that a machine whose speed drifts still gives honest
/// ratios. Loaders should keep all layers and be new: what loading costs is measured here. Throws
/// Error(kBadInput) when a request is longer than a model's context, Error(kUsage) for counts
/// below 1.
LatencyReport measure_latency(std::span<WeightLoader* const> models, const LatencyOptions& options,
                              Progress& progress = silent_progress());

Json to_json(const Spread& spread);
Json to_json(const LatencyReport& report);

}  // namespace mop
