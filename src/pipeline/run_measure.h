// pipeline/run_measure.h -- scores of a model for one step: one pass over the samples, for all
// criteria.
#pragma once
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/options.h"
#include "base/progress.h"
#include "collectives/collectives.h"
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
  Collectives& ranks = one_rank();  ///< among which the samples are split, but for curves
  std::filesystem::path scratch;    ///< a folder for what curves keep between layers, without names
};

/// What a step measured: kept until it is recorded.
struct StepMeasures {
  std::optional<Model> model;          ///< that was measured
  std::vector<LayerStats> stats = {};  ///< what was gathered
  std::map<std::string, std::vector<at::Tensor>> scores =
      {};  ///< [units] of each layer, by criterion
  std::vector<LayerCurves> curves = {};
  std::string curve_name = {};  ///< what the curves say of a unit: "predicted damage"
};

class RunMeasure : public Measure {
 public:
  /// Nothing is measured until a score is asked for; `kept` receives it, whatever it held before.
  RunMeasure(const MeasureSetup& setup, Model model, StepMeasures& kept)
      : setup_(setup), model_(std::move(model)), kept_(kept) {
    kept_ = {.model = model_};
  }

  /// The first call gathers for all criteria of the setup, and scores by all of them; then the
  /// weights are let go. Throws Error(kUsage) when there are no samples.
  const std::vector<at::Tensor>& scores(const std::string& criterion) override;
  /// Computed once for branches that agree on the settings. Every rank computes all: sums that are
  /// merged would round differently, and the same bytes are worth more here than the time.
  const std::vector<LayerCurves>& curves(const CurveSettings& settings) override;

 private:
  void measure(const std::vector<std::string>& criteria);
  const MeasureSetup& setup_;
  Model model_;
  StepMeasures& kept_;
  std::optional<CurveSettings> curve_settings_;
};

}  // namespace mop
