// eval/unit_latency.h -- measures the decoding time of a KV group, a neuron and a half layer.
#pragma once
#include <cstdint>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "model/weights.h"

namespace mop {

/// One timed model: its total number of each unit over all layers.
struct LatencySample {
  int64_t attentions = 0, kv_groups = 0, mlps = 0, neurons = 0;
  double seconds = 0;  ///< per decoded token
};

/// Seconds per token: outside the layers, per half layer, per unit.
struct UnitLatency {
  double outside = 0, attention = 0, kv_group = 0, mlp = 0, neuron = 0;
  double worst = 0;                    ///< largest relative error of the fit over the samples
  double foreign_load = 0;             ///< share of the CPU that other processes used
  std::vector<LatencySample> samples;  ///< the measurements
};

/// Fits the five times to the samples by non-negative least squares of relative errors. Throws
/// Error(kBadInput) without samples, or for a time that is not a positive number.
UnitLatency fit_unit_latency(std::vector<LatencySample> samples);

/// Times decoding by models made of the first layers: unchanged; attention halves only, with fewer
/// and fewer groups; MLPs only, with fewer and fewer neurons; half of both; and neither. Measures
/// them alternately, then fits. Uses only as many layers as exceed the caches, and holds the
/// weights of these models in memory.
UnitLatency measure_unit_latency(const Model& model, const Compute& compute,
                                 Progress& progress = silent_progress());

Json to_json(const UnitLatency& latency);
/// Throws Error(kBadInput) naming `where`.
UnitLatency unit_latency_from_json(const Json& json, const std::string& where);

}  // namespace mop
