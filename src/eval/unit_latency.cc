// eval/unit_latency.cc
#include "eval/unit_latency.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <memory>
#include <set>

#include "base/error.h"
#include "eval/latency.h"
#include "model/family.h"
#include "tensor/dtype.h"

namespace mop {
namespace {

constexpr int64_t kUnknowns = 5;
// Weights of the timed layers: more than the caches hold.
constexpr int64_t kLayerBytes = int64_t{128} << 20;

std::array<double, kUnknowns> row_of(const LatencySample& sample) {
  return {1, static_cast<double>(sample.attentions), static_cast<double>(sample.kv_groups),
          static_cast<double>(sample.mlps), static_cast<double>(sample.neurons)};
}

// Least squares for the unknowns in `open`; the others are 0.
std::vector<double> solve(const at::Tensor& rows_SU, const std::vector<int64_t>& open) {
  const at::Tensor columns = at::tensor(open, at::kLong);
  at::Tensor part_SO = rows_SU.index_select(1, columns);
  const at::Tensor scale_O = part_SO.norm(2, 0).clamp_min(1e-300);
  part_SO = part_SO / scale_O;
  // Unknowns that the samples cannot distinguish share the time equally.
  const at::Tensor gram_OO =
      part_SO.t().mm(part_SO) + at::eye(std::ssize(open), at::kDouble) * 1e-9;
  const at::Tensor solved_O =
      at::linalg_solve(gram_OO, part_SO.sum(0).unsqueeze(1)).squeeze(1) / scale_O;
  std::vector<double> all(kUnknowns, 0);
  for (size_t i = 0; i < open.size(); ++i) {
    all[static_cast<size_t>(open[i])] = solved_O[static_cast<int64_t>(i)].item<double>();
  }
  return all;
}

// Returns the first `layers` of a model, with this fraction of their groups and neurons.
Model part_of(const Model& model, size_t layers, double groups, double neurons) {
  std::vector<Layer> some(model.layers().begin(),
                          model.layers().begin() + static_cast<int64_t>(layers));
  const auto share = [](size_t count, double part) {
    return part == 0 ? size_t{0}
                     : std::max<size_t>(
                           1, static_cast<size_t>(std::lround(static_cast<double>(count) * part)));
  };
  for (Layer& layer : some) {
    if (!layer.kv_heads.empty()) {
      const size_t group = layer.heads.size() / layer.kv_heads.size();
      layer.kv_heads.resize(share(layer.kv_heads.size(), groups));
      layer.heads.resize(layer.kv_heads.size() * group);
    }
    if (!layer.neurons.empty()) layer.neurons.resize(share(layer.neurons.size(), neurons));
    layer.changed.clear();  // only times matter, not values
  }
  return model.with_layers(std::move(some));
}

LatencySample counts_of(const ModelConfig& config) {
  LatencySample sample;
  for (const LayerShape& shape : config.layers) {
    sample.attentions += shape.kv_heads > 0;
    sample.kv_groups += shape.kv_heads;
    sample.mlps += shape.mlp > 0;
    sample.neurons += shape.mlp;
  }
  return sample;
}

// Returns the distinct models to time, the unchanged one first. Half layers alone have short times,
// which other load disturbs least.
std::vector<Model> models_to_time(const Model& model, DType dtype) {
  const int64_t layer_bytes =
      std::max<int64_t>(1, block_parameters(model.config()) / model.num_layers() *
                               static_cast<int64_t>(dtype_bytes(dtype)));
  const auto layers = static_cast<size_t>(
      std::clamp<int64_t>(kLayerBytes / layer_bytes + 1, 1, model.num_layers()));
  std::vector<Model> models;
  std::set<std::array<double, kUnknowns>> seen;
  for (const auto& [groups, neurons] : std::initializer_list<std::pair<double, double>>{{1, 1},
                                                                                        {1, 0},
                                                                                        {0.5, 0},
                                                                                        {0.25, 0},
                                                                                        {0, 1},
                                                                                        {0, 0.75},
                                                                                        {0, 0.5},
                                                                                        {0, 0.25},
                                                                                        {0.5, 0.5},
                                                                                        {0, 0}}) {
    Model part = part_of(model, layers, groups, neurons);
    if (seen.insert(row_of(counts_of(part.config()))).second) models.push_back(std::move(part));
  }
  return models;
}

LatencyOptions request_for(const ModelConfig& config) {
  LatencyOptions options;
  options.prompt_tokens = std::clamp<int64_t>(config.context / 2, 1, 12);
  // Uses many short requests: other processes would interrupt some part of a long one.
  options.new_tokens = std::clamp<int64_t>(config.context - options.prompt_tokens, 2, 9);
  options.repeats = 20;
  options.probe_bytes = int64_t{1} << 20;
  return options;
}

}  // namespace

UnitLatency fit_unit_latency(std::vector<LatencySample> samples) {
  if (samples.empty()) throw bad_input("there are no measured models to fit times to");
  at::Tensor rows_SU = at::empty({std::ssize(samples), kUnknowns}, at::kDouble);
  for (size_t s = 0; s < samples.size(); ++s) {
    const double seconds = samples[s].seconds;
    if (!(seconds > 0) || !std::isfinite(seconds)) {
      throw bad_input("a model took {} seconds a token: a positive number expected", seconds);
    }
    const auto row = row_of(samples[s]);
    for (int64_t u = 0; u < kUnknowns; ++u) {
      rows_SU[static_cast<int64_t>(s)][u] = row[static_cast<size_t>(u)] / seconds;
    }
  }
  std::vector<int64_t> open = {0, 1, 2, 3, 4};
  std::vector<double> times = solve(rows_SU, open);
  // Removes the unknown with the most negative time and solves again.
  while (open.size() > 1) {
    const auto lowest = std::ranges::min_element(
        open, {}, [&](int64_t u) { return times[static_cast<size_t>(u)]; });
    if (times[static_cast<size_t>(*lowest)] >= 0) break;
    open.erase(lowest);
    times = solve(rows_SU, open);
  }
  UnitLatency latency;
  latency.outside = times[0];
  latency.attention = times[1];
  latency.kv_group = times[2];
  latency.mlp = times[3];
  latency.neuron = times[4];
  for (const LatencySample& sample : samples) {
    const auto row = row_of(sample);
    double predicted = 0;
    for (size_t u = 0; u < row.size(); ++u) predicted += row[u] * times[u];
    latency.worst = std::max(latency.worst, std::abs(predicted / sample.seconds - 1));
  }
  latency.samples = std::move(samples);
  return latency;
}

UnitLatency measure_unit_latency(const Model& model, const Compute& compute, Progress& progress) {
  const std::vector<Model> models = models_to_time(model, compute.dtype);
  std::vector<std::unique_ptr<WeightLoader>> loaders;
  std::vector<WeightLoader*> pointers;
  for (const Model& part : models) {
    loaders.push_back(std::make_unique<WeightLoader>(part, compute, WeightLoader::Keep::kAll));
    pointers.push_back(loaders.back().get());
  }
  const LatencyReport report = measure_latency(pointers, request_for(model.config()), progress);
  std::vector<LatencySample> samples;
  for (size_t i = 0; i < models.size(); ++i) {
    samples.push_back(counts_of(models[i].config()));
    // Uses the minimum, because other load only adds time.
    samples.back().seconds = report.models[i].token_seconds.min;
  }
  UnitLatency latency = fit_unit_latency(std::move(samples));
  latency.foreign_load = report.foreign_load;
  return latency;
}

Json to_json(const UnitLatency& latency) {
  Json samples = Json::array();
  for (const LatencySample& sample : latency.samples) {
    samples.push_back({{"attentions", sample.attentions},
                       {"kv_groups", sample.kv_groups},
                       {"mlps", sample.mlps},
                       {"neurons", sample.neurons},
                       {"seconds", sample.seconds}});
  }
  return {{"outside", latency.outside},
          {"attention", latency.attention},
          {"kv_group", latency.kv_group},
          {"mlp", latency.mlp},
          {"neuron", latency.neuron},
          {"worst", latency.worst},
          {"foreign_load", latency.foreign_load},
          {"samples", samples}};
}

UnitLatency unit_latency_from_json(const Json& json, const std::string& where) {
  UnitLatency latency;
  const std::pair<const char*, double UnitLatency::*> members[] = {
      {"outside", &UnitLatency::outside},
      {"attention", &UnitLatency::attention},
      {"kv_group", &UnitLatency::kv_group},
      {"mlp", &UnitLatency::mlp},
      {"neuron", &UnitLatency::neuron},
      {"worst", &UnitLatency::worst},
      {"foreign_load", &UnitLatency::foreign_load}};
  for (const auto& [key, member] : members) {
    latency.*member = require<double>(json, key, where);
    if (latency.*member >= 0 && std::isfinite(latency.*member)) continue;
    throw bad_input("'{}' is {}: a time not below 0 expected", key, latency.*member)
        .where("file", where);
  }
  return latency;
}

}  // namespace mop
