// jobs/step_scores.cc
#include "jobs/step_scores.h"

#include <algorithm>

#include "base/error.h"
#include "criteria/criterion.h"
#include "criteria/loss_scores.h"
#include "criteria/moment_scores.h"
#include "criteria/trained_gates.h"
#include "jobs/tower_scores.h"
#include "stats/rank_stats.h"
#include "tensor/mapped_file.h"

namespace mop {

std::vector<std::string> criteria_of(const MixRecipe& mix, const ModelConfig& dense,
                                     bool of_tower) {
  std::vector<std::string> names;
  for (const BranchUse& use : mix.branches) {
    if (!use.branch->criteria || use.branch->of_tower != of_tower) continue;
    const auto more = use.branch->criteria(dense, use.options);
    names.insert(names.end(), more.begin(), more.end());
  }
  return names;
}

std::map<std::string, Options> criterion_settings(const Recipe& recipe) {
  std::map<std::string, Options> settings;
  for (const auto& [name, values] : recipe.settings) {
    if (!is_criterion(name)) continue;
    settings.emplace(name, Options(name, values, find_criterion(name).options));
  }
  return settings;
}

namespace {

// The criteria that are measured together with this one: all that the run expects.
std::vector<std::string> measured_with(const std::string& criterion,
                                       const std::vector<std::string>& expected) {
  const bool is_expected = std::ranges::find(expected, criterion) != expected.end();
  return is_expected ? expected : std::vector{criterion};
}

// Adds the statistics that an earlier measurement of the same model did not gather.
void add_missing(std::vector<LayerStats>& kept, std::vector<LayerStats> more) {
  if (kept.empty()) {
    kept = std::move(more);
    return;
  }
  for (size_t layer = 0; layer < kept.size(); ++layer) {
    for (const auto& [stat, sum_U] : more[layer].sums()) {
      if (!kept[layer].has(stat)) kept[layer].add_sum(stat, sum_U, more[layer].count(stat));
    }
  }
}

}  // namespace

void RunMeasure::measure(const std::vector<std::string>& criteria) {
  if (reads_text(criteria) && setup_.samples.ids.empty()) {
    throw usage_error("this run measures activations and needs calibration text")
        .hint("give --calibration FILE, or a path of branches without measurements");
  }
  WeightLoader weights(model_, setup_.compute);
  std::vector<LayerStats> stats = collect_stats(weights, setup_.samples, needed_stats(criteria),
                                                setup_.ranks, setup_.progress, setup_.scratch);
  auto scores = score_moments(model_, setup_.compute, setup_.samples, criteria, setup_.settings,
                              setup_.scratch, setup_.progress);
  scores.merge(score_losses(model_, setup_.compute, setup_.samples, criteria, stats,
                            setup_.settings, setup_.progress));
  for (const std::string& name : criteria) {
    if (scores.contains(name)) continue;
    const Options options = section_of(setup_.settings, name);
    scores[name] = std::move(score_layers(weights, stats, std::vector{name}, options)[0]);
  }
  kept_.scores.merge(scores);  // callers hold references to earlier ones
  add_missing(kept_.stats, std::move(stats));
  check_mappings();
}

const std::vector<at::Tensor>& RunMeasure::scores(const std::string& criterion) {
  if (!kept_.scores.contains(criterion)) {
    measure(measured_with(criterion, setup_.criteria));
  }
  return kept_.scores.at(criterion);
}

const std::vector<at::Tensor>& RunMeasure::tower_scores(const std::string& criterion) {
  if (!tower_scores_.contains(criterion)) {
    tower_scores_.merge(score_tower(model_, setup_.compute, setup_.samples, setup_.pictures,
                                    measured_with(criterion, setup_.tower_criteria),
                                    setup_.settings, setup_.progress));
    check_mappings();
  }
  return tower_scores_.at(criterion);
}

const std::vector<LayerCurves>& RunMeasure::curves(const CurveSettings& settings) {
  // Curves with whole halves are also used by branches that do not request halves.
  CurveSettings asked = settings;
  asked.halves = asked.halves || (curve_settings_ && curve_settings_->halves);
  if (curve_settings_ != asked) {
    kept_.curves = asked.gates ? trained_gate_curves(model_, setup_.compute, setup_.samples,
                                                     *asked.gates, setup_.scratch, setup_.progress)
                               : damage_curves(model_, setup_.compute, setup_.samples, asked,
                                               setup_.scratch, setup_.progress);
    kept_.curve_name = asked.gates ? "gates: predicted damage" : "predicted damage";
    curve_settings_ = asked;
    check_mappings();
  }
  return kept_.curves;
}

}  // namespace mop
