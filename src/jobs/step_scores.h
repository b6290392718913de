// jobs/step_scores.h -- scores of a model for one step, for all criteria in one pass over the
// samples.
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
#include "recipe/recipe.h"
#include "run/pictures.h"
#include "stats/layer_stats.h"
#include "text/samples.h"

namespace mop {

/// Settings of the measurements, the same for every step of a run.
struct MeasureSetup {
  const TokenSamples& samples;
  Compute compute;
  std::vector<std::string> criteria;        ///< criteria that the run's branches may request
  std::map<std::string, Options> settings;  ///< of each criterion
  Progress& progress;
  Collectives& ranks = one_rank();  ///< processes that share the samples, except for curves
  std::filesystem::path scratch;    ///< folder for unnamed files of damage curves
  std::vector<std::string> tower_criteria =
      {};                              ///< criteria of branches that prune the vision tower
  const Pictures* pictures = nullptr;  ///< of the samples; null = none
};

/// Returns the criteria that the run's branches may request, for the language model or for the
/// vision tower.
std::vector<std::string> criteria_of(const MixRecipe& mix, const ModelConfig& dense, bool of_tower);
/// Returns the sections of criteria in the recipe.
std::map<std::string, Options> criterion_settings(const Recipe& recipe);
/// Measurements of a step, kept until they are recorded.
struct StepMeasures {
  std::optional<Model> model;          ///< the measured model
  std::vector<LayerStats> stats = {};  ///< gathered statistics
  std::map<std::string, std::vector<at::Tensor>> scores =
      {};  ///< [units] of each layer, by criterion
  std::vector<LayerCurves> curves = {};
  std::string curve_name = {};  ///< quantity of the curves: "predicted damage"
};

class RunMeasure : public Measure {
 public:
  /// Measures on first use; `kept` is reset and receives the measurements.
  RunMeasure(const MeasureSetup& setup, Model model, StepMeasures& kept)
      : setup_(setup), model_(std::move(model)), kept_(kept) {
    kept_ = {.model = model_};
  }

  /// The first call gathers statistics and scores for all criteria of the setup, then releases the
  /// weights; a criterion that the setup does not have is measured alone. References stay valid.
  /// Throws Error(kUsage) without samples.
  const std::vector<at::Tensor>& scores(const std::string& criterion) override;
  /// Computed once for branches with equal settings. Every rank computes all samples, since merged
  /// sums would round differently and results would not be bitwise reproducible.
  const std::vector<LayerCurves>& curves(const CurveSettings& settings) override;
  /// The same for all tower criteria of the setup, on every rank (jobs/tower_scores.h).
  const std::vector<at::Tensor>& tower_scores(const std::string& criterion) override;

 private:
  void measure(const std::vector<std::string>& criteria);
  const MeasureSetup& setup_;
  Model model_;
  StepMeasures& kept_;
  std::map<std::string, std::vector<at::Tensor>> tower_scores_;
  std::optional<CurveSettings> curve_settings_;
};

}  // namespace mop
