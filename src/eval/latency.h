// eval/latency.h -- latency of generation: time to the first token, time per token, prompt speed.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "base/json.h"
#include "base/machine.h"
#include "base/progress.h"
#include "model/weights.h"

namespace mop {

/// Settings of a measurement. One request is `batch` prompts of random tokens, each continued
/// greedily to the full length. The defaults are the paper's (12 prompt and 128 generated tokens at
/// batch 1).
struct LatencyOptions {
  int64_t prompt_tokens = 12;
  int64_t new_tokens = 128;  ///< at least 1; EOS does not end a request
  int64_t batch = 1;
  int64_t repeats = 5;  ///< measured requests per model
  /// Requests before the measured ones, at least 1; memory is measured during them.
  int64_t warmups = 1;
  uint64_t seed = 0;                       ///< of the prompts' random tokens
  int64_t probe_bytes = int64_t{1} << 30;  ///< buffer size of the read bandwidth measurement
};

/// Median, minimum and maximum; the median of an even count is the mean of the middle two.
struct Spread {
  double median = 0, min = 0, max = 0;
};
/// Throws Error(kInternal) for an empty list.
Spread spread_of(std::vector<double> values);

/// Wall-clock seconds of one request.
struct RequestTime {
  double first = 0;  ///< the prompt and the first new token
  double rest = 0;   ///< all other new tokens
};

/// Results of one model. Times are wall-clock seconds.
struct Latency {
  Spread first_token_seconds;
  Spread token_seconds;  ///< per request, the mean over the new tokens after the first
  Spread total_seconds;
  Spread prompt_tokens_per_second;  ///< sum over the batch, as in the next line
  Spread new_tokens_per_second;     ///< without the first tokens
  /// Bytes that each decoding step reads: all weights in the compute dtype, except the embedding,
  /// of which a step reads one row per sequence.
  int64_t weight_bytes = 0;
  int64_t kv_cache_bytes = 0;   ///< at the end of a request
  double decode_bandwidth = 0;  ///< weight_bytes over the median of token_seconds
  /// Relative to the memory bandwidth (LatencyReport); caches may make it > 1.
  double bandwidth_fraction = 0;
  ProcessMemory peak;  ///< growth of the process while this model was loaded and warmed up
};

/// Times of the first model divided by those of another, per round.
struct LatencyRatios {
  Spread first_token, token, total;
};

struct LatencyReport {
  std::vector<Latency> models;        ///< in the given order
  std::vector<LatencyRatios> ratios;  ///< one per model except the first
  Spread read_bandwidth;    ///< bytes per second of this machine's memory, measured once per round;
                            ///< zero on devices other than the CPU
  double foreign_load = 0;  ///< share of the CPU that other processes used, 0..1
  std::vector<double> foreign_by_round;  ///< the same for each measured round
};

/// Warn when other processes used more than this share of the CPU.
inline constexpr double kMostForeignLoad = 0.05;

/// Summarises the times of requests, [model][round]. With `new_tokens` 1 the figures per token are
/// zero.
LatencyReport summarise(const std::vector<std::vector<RequestTime>>& times,
                        const LatencyOptions& options);

/// Throws Error(kBadInput) when such a request is longer than the model's context, Error(kUsage)
/// for counts below 1 or a batch above 65536.
void check_latency(const LatencyOptions& options, const Model& model);

/// Measures the models alternately, A B A B ..., so that drift of the machine's speed cancels in
/// the ratios. Loaders should keep all layers and must be unused, because the memory of loading is
/// measured here. Throws as `check_latency`.
LatencyReport measure_latency(std::span<WeightLoader* const> models, const LatencyOptions& options,
                              Progress& progress = silent_progress());

Json to_json(const Spread& spread);
Json to_json(const LatencyReport& report);

}  // namespace mop
