// eval/latency.cc
#include "eval/latency.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/random.h"
#include "base/stopwatch.h"
#include "model/family.h"
#include "model/generate.h"
#include "tensor/huge_pages.h"
#include "tensor/read_bandwidth.h"

namespace mop {
namespace {

constexpr int64_t kMostSequences = 65536;

// Uses ids below the smallest vocabulary, so that all models have the tokens.
at::Tensor random_prompts(const LatencyOptions& options, std::span<WeightLoader* const> models) {
  int64_t vocab = models[0]->model().config().vocab;
  for (const WeightLoader* model : models) vocab = std::min(vocab, model->model().config().vocab);
  Random random(options.seed);
  at::Tensor ids_BT = at::empty({options.batch, options.prompt_tokens}, at::kLong);
  int64_t* ids = ids_BT.data_ptr<int64_t>();
  for (int64_t i = 0; i < ids_BT.numel(); ++i) {
    ids[i] = static_cast<int64_t>(random.below(static_cast<uint64_t>(vocab)));
  }
  return ids_BT;
}

RequestTime run_request(WeightLoader& weights, at::Tensor ids_BT, const LatencyOptions& options) {
  Decoder decoder(weights, options.batch, options.prompt_tokens + options.new_tokens);
  RequestTime time;
  const Stopwatch watch;
  for (int64_t step = 0; step < options.new_tokens; ++step) {
    ids_BT = decoder.feed(ids_BT).argmax(1, /*keepdim=*/true);
    // Copying to the CPU synchronises with the device, so that times include all of its work.
    if (step == 0 || step + 1 == options.new_tokens) ids_BT.cpu();
    if (step == 0) time.first = watch.seconds();
  }
  time.rest = watch.seconds() - time.first;
  return time;
}

// Reads mapped weights into huge pages, once per file. Does nothing when all models do not fit into
// memory together, since they would evict each other.
void read_weights(WeightLoader& weights, int64_t bytes_of_all) {
  const int64_t most_bytes = free_memory_bytes();
  if (!weights.keeps_all() || bytes_of_all > most_bytes) return;
  for (int64_t i = 0; i < weights.model().num_layers(); ++i) {
    for (const at::Tensor& tensor : weights.layer(i).tensors) {
      read_into_huge_pages(tensor, most_bytes);
    }
  }
  read_into_huge_pages(weights.globals().head_VD, most_bytes);
}

ProcessMemory growth(const ProcessMemory& from, const ProcessMemory& to) {
  return {std::max<int64_t>(0, to.anonymous - from.anonymous),
          std::max<int64_t>(0, to.mapped - from.mapped)};
}

ProcessMemory warm_up(WeightLoader& weights, const at::Tensor& prompts_BT,
                      const LatencyOptions& options, int64_t bytes_of_all) {
  const ProcessMemory before = process_memory();
  const PeakMemory memory;
  read_weights(weights, bytes_of_all);
  for (int64_t i = 0; i < options.warmups; ++i) {
    check_stop();
    run_request(weights, prompts_BT, options);
  }
  return growth(before, memory.peak());
}

int64_t weight_bytes(const WeightLoader& weights) {
  const ModelConfig& config = weights.model().config();
  return (block_parameters(config) + config.hidden * (config.vocab + 1)) *
         static_cast<int64_t>(dtype_bytes(weights.compute().dtype));
}

int64_t kv_cache_bytes(const WeightLoader& weights, const LatencyOptions& options) {
  int64_t elements = 0;
  for (const LayerShape& shape : weights.model().config().layers) {
    elements += 2 * shape.kv_heads * shape.head_dim;
  }
  return elements * options.batch * (options.prompt_tokens + options.new_tokens) *
         static_cast<int64_t>(dtype_bytes(weights.compute().dtype));
}

/// The measured rounds: times of every model, and the foreign load.
struct Rounds {
  std::vector<std::vector<RequestTime>> times;  // [model][round]
  std::vector<double> foreign_by_round, bandwidths;
  double foreign_load = 0;
};

Rounds run_rounds(std::span<WeightLoader* const> models, const at::Tensor& prompts_BT,
                  const LatencyOptions& options, Progress& progress) {
  const bool on_cpu = models[0]->compute().device.is_cpu();
  const std::optional<ReadProbe> probe =
      on_cpu ? std::make_optional<ReadProbe>(options.probe_bytes) : std::nullopt;
  Rounds rounds;
  rounds.times.resize(models.size());
  progress.begin("measuring latency", options.repeats);
  const ForeignLoad all;
  for (int64_t round = 0; round < options.repeats; ++round) {
    const ForeignLoad foreign;
    if (probe) rounds.bandwidths.push_back(probe->measure());
    for (size_t m = 0; m < models.size(); ++m) {
      check_stop();
      rounds.times[m].push_back(run_request(*models[m], prompts_BT, options));
    }
    rounds.foreign_by_round.push_back(foreign.fraction());
    progress.advance(round + 1);
  }
  rounds.foreign_load = all.fraction();
  progress.end();
  return rounds;
}

Latency summarise_model(const std::vector<RequestTime>& times, const LatencyOptions& options) {
  std::vector<double> first, each, total, prompt_rate, rate;
  const auto batch = static_cast<double>(options.batch);
  const auto steps = static_cast<double>(options.new_tokens - 1);
  for (const RequestTime& time : times) {
    first.push_back(time.first);
    total.push_back(time.first + time.rest);
    prompt_rate.push_back(batch * static_cast<double>(options.prompt_tokens) / time.first);
    if (steps == 0) continue;
    each.push_back(time.rest / steps);
    rate.push_back(batch * steps / time.rest);
  }
  Latency latency;
  latency.first_token_seconds = spread_of(first);
  latency.total_seconds = spread_of(total);
  latency.prompt_tokens_per_second = spread_of(prompt_rate);
  if (steps == 0) return latency;
  latency.token_seconds = spread_of(each);
  latency.new_tokens_per_second = spread_of(rate);
  return latency;
}

LatencyRatios ratios_of(const std::vector<RequestTime>& ours,
                        const std::vector<RequestTime>& others, bool decoded) {
  std::vector<double> first, token, total;
  for (size_t r = 0; r < ours.size(); ++r) {
    first.push_back(ours[r].first / others[r].first);
    total.push_back((ours[r].first + ours[r].rest) / (others[r].first + others[r].rest));
    if (decoded) token.push_back(ours[r].rest / others[r].rest);
  }
  return {spread_of(first), decoded ? spread_of(token) : Spread{}, spread_of(total)};
}

Json to_json(const Latency& l) {
  return {{"first_token_seconds", to_json(l.first_token_seconds)},
          {"token_seconds", to_json(l.token_seconds)},
          {"total_seconds", to_json(l.total_seconds)},
          {"prompt_tokens_per_second", to_json(l.prompt_tokens_per_second)},
          {"new_tokens_per_second", to_json(l.new_tokens_per_second)},
          {"weight_bytes", l.weight_bytes},
          {"kv_cache_bytes", l.kv_cache_bytes},
          {"decode_bandwidth", l.decode_bandwidth},
          {"bandwidth_fraction", l.bandwidth_fraction},
          {"peak_anonymous_bytes", l.peak.anonymous},
          {"peak_mapped_bytes", l.peak.mapped}};
}

Json to_json(const LatencyRatios& r) {
  return {{"first_token", to_json(r.first_token)},
          {"token", to_json(r.token)},
          {"total", to_json(r.total)},
          {"reduction",
           {{"first_token", 1 - r.first_token.median},
            {"token", 1 - r.token.median},
            {"total", 1 - r.total.median}}}};
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  if (values.empty()) throw internal_error("no values to summarise");
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  const double median =
      values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
  return {median, values.front(), values.back()};
}

LatencyReport summarise(const std::vector<std::vector<RequestTime>>& times,
                        const LatencyOptions& options) {
  LatencyReport report;
  for (const auto& of_model : times) report.models.push_back(summarise_model(of_model, options));
  for (size_t m = 1; m < times.size(); ++m) {
    report.ratios.push_back(ratios_of(times[0], times[m], options.new_tokens > 1));
  }
  return report;
}

void check_latency(const LatencyOptions& options, const Model& model) {
  for (const auto& [name, count] :
       {std::pair{"prompt tokens", options.prompt_tokens},
        std::pair{"new tokens", options.new_tokens}, std::pair{"the batch", options.batch},
        std::pair{"repeats", options.repeats}, std::pair{"warm-ups", options.warmups}}) {
    if (count < 1) throw usage_error("{} must be at least 1, got {}", name, count);
  }
  if (options.batch > kMostSequences)
    throw usage_error("the batch must be at most {}, got {}", kMostSequences, options.batch);
  const int64_t context = model.config().longest();
  if (options.prompt_tokens <= context && options.new_tokens <= context - options.prompt_tokens)
    return;
  throw bad_input("{} prompt tokens and {} new ones do not fit the model's context of {}",
                  options.prompt_tokens, options.new_tokens, context)
      .where("model", model.checkpoint().folder().string())
      .hint("lower --prompt or --generate");
}

LatencyReport measure_latency(std::span<WeightLoader* const> models, const LatencyOptions& options,
                              Progress& progress) {
  for (const WeightLoader* model : models) check_latency(options, model->model());
  const at::Tensor prompts_BT = random_prompts(options, models);
  std::vector<ProcessMemory> peaks;
  int64_t bytes = 0;
  for (const WeightLoader* model : models) bytes += model->model().checkpoint().bytes();
  for (WeightLoader* model : models) peaks.push_back(warm_up(*model, prompts_BT, options, bytes));
  const Rounds rounds = run_rounds(models, prompts_BT, options, progress);

  LatencyReport report = summarise(rounds.times, options);
  report.foreign_load = rounds.foreign_load;
  report.foreign_by_round = rounds.foreign_by_round;
  if (!rounds.bandwidths.empty()) report.read_bandwidth = spread_of(rounds.bandwidths);
  for (size_t m = 0; m < models.size(); ++m) {
    Latency& latency = report.models[m];
    latency.peak = peaks[m];
    latency.weight_bytes = weight_bytes(*models[m]);
    latency.kv_cache_bytes = kv_cache_bytes(*models[m], options);
    if (options.new_tokens == 1) continue;
    latency.decode_bandwidth =
        static_cast<double>(latency.weight_bytes) / latency.token_seconds.median;
    if (report.read_bandwidth.median > 0) {
      latency.bandwidth_fraction = latency.decode_bandwidth / report.read_bandwidth.median;
    }
  }
  return report;
}

Json to_json(const Spread& s) { return {{"median", s.median}, {"min", s.min}, {"max", s.max}}; }

Json to_json(const LatencyReport& report) {
  Json models = Json::array(), ratios = Json::array();
  for (const Latency& latency : report.models) models.push_back(to_json(latency));
  for (const LatencyRatios& ratio : report.ratios) ratios.push_back(to_json(ratio));
  return {{"models", models},
          {"ratios", ratios},
          {"read_bandwidth", to_json(report.read_bandwidth)},
          {"foreign_load", report.foreign_load},
          {"foreign_by_round", report.foreign_by_round}};
}

}  // namespace mop
