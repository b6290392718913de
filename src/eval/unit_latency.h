// eval/unit_latency.h -- what a KV group, a neuron and a half layer cost in the time of a token.
#pragma once
#include <cstdint>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "model/weights.h"

namespace mop {

/// One model that was timed: how many of each it has in all its layers.
struct LatencySample {
  int64_t attentions = 0, kv_groups = 0, mlps = 0, neurons = 0;
  double seconds = 0;  ///< of decoding one token
};

/// Seconds that a token costs: outside the layers, for each half that is there, for each unit.
struct UnitLatency {
  double outside = 0, attention = 0, kv_group = 0, mlp = 0, neuron = 0;
  double worst = 0;         ///< the largest error of a sample's time by these, relative to it
  double foreign_load = 0;  ///< share of the machine that others used meanwhile
  std::vector<LatencySample> samples;  ///< measured
};

/// The five times that explain the samples best, none below 0: least squares of relative errors.
/// Throws Error(kBadInput) without samples, or for a time that is no positive number.
UnitLatency fit_unit_latency(std::vector<LatencySample> samples);

/// Decodes by models of the first layers as they are, of their attention halves alone with fewer
/// and fewer groups, of their MLPs alone with fewer and fewer neurons, of half of both and of
/// neither, in turn; then fits. As many layers as exceed the caches, not more. The weights of these
/// models lie in memory meanwhile.
UnitLatency measure_unit_latency(const Model& model, const Compute& compute,
                                 Progress& progress = silent_progress());

Json to_json(const UnitLatency& latency);
/// Throws Error(kBadInput) naming `where`.
UnitLatency unit_latency_from_json(const Json& json, const std::string& where);

}  // namespace mop
