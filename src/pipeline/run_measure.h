// pipeline/run_measure.h -- scores of a model for one step: one pass over the samples, for all
// criteria.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "base/options.h"
#include "base/progress.h"
#include "model/weights.h"
#include "plan/branch.h"
#include "stats/layer_stats.h"
#include "text/samples.h"

namespace mop {

/// What is measured with, the same for every step of a run.
struct MeasureSetup {
  const TokenSamples& samples;
  Compute compute;
  std::vector<std::string> criteria;        ///< what the run's branches may ask for
  std::map<std::string, Options> settings;  ///< of each criterion
  Progress& progress;
};

class RunMeasure : public Measure {
 public:
  /// Gathers what all criteria of the setup need. Throws Error(kUsage) when there are no samples.
  RunMeasure(const MeasureSetup& setup, const Model& model);
  const std::vector<at::Tensor>& scores(const std::string& criterion) override;
  const std::vector<LayerStats>& stats() const { return stats_; }

 private:
  const MeasureSetup& setup_;
  WeightLoader weights_;
  std::vector<LayerStats> stats_;
  std::map<std::string, std::vector<at::Tensor>> scores_;
};

}  // namespace mop
