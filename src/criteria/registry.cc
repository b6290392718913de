// criteria/registry.cc -- the table of criteria, and scoring of all layers.
#include "criteria/registry.h"

#include <ATen/ops/empty.h>
#include <ATen/ops/isfinite.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "base/named_table.h"
#include "base/progress.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

std::vector<Criterion>& table() {
  static std::vector<Criterion> rows = {
      amp_heads(),       amp_neurons(),      magnitude_heads(),  magnitude_neurons(),
      random_heads(),    random_neurons(),   wanda_sp_heads(),   wanda_sp_neurons(),
      fasp_heads(),      fasp_neurons(),     flap_heads(),       flap_neurons(),
      energy_heads(),    energy_neurons(),   obs_heads(),        obs_neurons(),
      taylor_heads(),    taylor_neurons(),   fisher_heads(),     fisher_neurons(),
      cfsp_neurons(),    minitron_heads(),   minitron_neurons(), block_influence_layers(),
      taylor_layers(),   magnitude_layers(), random_layers(),    cfsp_layers(),
      owl_layers(),      ecoflap_layers(),   mope_heads(),       mope_neurons(),
      minitron_hidden(), energy_hidden(),    magnitude_hidden(), random_hidden()};
  return rows;
}

at::Tensor score_layer(const Criterion& criterion, const ScoreInput& input) {
  const int64_t units = num_units(criterion.unit, input.config, input.shape);
  if (units == 0) return at::empty({0}, at::kDouble);
  if (!criterion.score) throw internal_error("criterion '{}' reads no statistics", criterion.name);
  return checked_scores(criterion, criterion.score(input), units, input.layer);
}

}  // namespace

at::Tensor checked_scores(const Criterion& criterion, const at::Tensor& scores, int64_t units,
                          int64_t layer) {
  const at::Tensor scores_U = scores.to(at::kCPU, at::kDouble).contiguous();
  if (scores_U.dim() != 1 || scores_U.numel() != units) {
    throw bad_input("criterion '{}' returned scores of shape [{}] for layer {} with {} {}s",
                    criterion.name, fmt::join(scores_U.sizes(), ", "), layer, units,
                    unit_name(criterion.unit));
  }
  if (!at::isfinite(scores_U).all().item<bool>()) {
    throw bad_input("criterion '{}' returned a score for layer {} that is not finite",
                    criterion.name, layer);
  }
  return scores_U;
}

std::span<const Criterion> all_criteria() { return table(); }

const Criterion& find_criterion(std::string_view name) {
  return find_by_name(all_criteria(), name, "criterion");
}

void add_criterion(Criterion criterion) {
  for (const Criterion& row : table()) {
    if (row.name == criterion.name) {
      throw usage_error("there is already a criterion called '{}'", criterion.name);
    }
  }
  table().push_back(std::move(criterion));
}

std::vector<Stat> needed_stats(std::span<const std::string> criteria) {
  std::vector<Stat> needed;
  for (const std::string& name : criteria) {
    for (const Stat stat : find_criterion(name).needs) {
      if (std::find(needed.begin(), needed.end(), stat) == needed.end()) needed.push_back(stat);
    }
  }
  return needed;
}

std::vector<Stat> tower_stats(const Criterion& criterion) {
  const std::vector<Stat>& needs =
      criterion.needs_of_tower.empty() ? criterion.needs : criterion.needs_of_tower;
  if (criterion.score_moments == nullptr && !need_gradients(needs)) return needs;
  throw usage_error("criterion '{}' reads {}, which is not supported for a vision tower",
                    criterion.name,
                    criterion.score_moments ? "second moments of a half layer" : "gradients")
      .hint("supported: amp, wanda-sp, fasp, flap, minitron, mope, magnitude, random");
}

bool is_criterion(std::string_view name) {
  return std::ranges::any_of(table(), [&](const Criterion& row) { return row.name == name; });
}

bool reads_text(std::span<const std::string> criteria) {
  return !needed_stats(criteria).empty() || reads_moments(criteria) || reads_losses(criteria);
}

bool reads_moments(std::span<const std::string> criteria) {
  return std::ranges::any_of(
      criteria, [](const auto& name) { return find_criterion(name).score_moments != nullptr; });
}

std::vector<std::string> criteria_of(UnitKind unit) {
  std::vector<std::string> names;
  for (const Criterion& row : all_criteria()) {
    if (row.unit == unit) names.push_back(row.name);
  }
  return names;
}

Options section_of(const std::map<std::string, Options>& settings, const std::string& criterion) {
  const auto found = settings.find(criterion);
  return found == settings.end() ? Options() : found->second;
}

bool reads_losses(std::span<const std::string> criteria) {
  return std::ranges::any_of(
      criteria, [](const auto& name) { return find_criterion(name).score_losses != nullptr; });
}

int64_t num_losses(std::span<const std::string> criteria,
                   const std::map<std::string, Options>& settings, const ModelConfig& config,
                   const LayerShape& shape) {
  int64_t sum = 0;
  for (const std::string& name : criteria) {
    const Criterion& row = find_criterion(name);
    if (row.num_losses == nullptr) continue;
    sum += row.num_losses(section_of(settings, name), config, shape);
  }
  return sum;
}

std::vector<std::vector<at::Tensor>> score_layers(WeightLoader& weights,
                                                  std::span<const LayerStats> stats,
                                                  std::span<const std::string> criteria,
                                                  const Options& options) {
  const ModelConfig& config = weights.model().config();
  if (stats.size() != config.layers.size()) {
    throw bad_input("the statistics cover {} layers but the model has {}", stats.size(),
                    config.layers.size());
  }
  static const LayerWeights kNoWeights;
  std::vector<std::vector<at::Tensor>> scores(criteria.size());
  std::vector<const Criterion*> rows;
  bool reads_weights = false;
  for (const std::string& name : criteria) {
    rows.push_back(&find_criterion(name));
    reads_weights |= rows.back()->reads_weights;
  }
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const auto layer = static_cast<int64_t>(i);
    const LayerWeights& now = reads_weights ? weights.layer(layer) : kNoWeights;
    for (size_t c = 0; c < rows.size(); ++c) {
      scores[c].push_back(
          score_layer(*rows[c], {stats[i], now, config, config.layers[i], options, layer}));
    }
    check_stop();
    if (reads_weights) check_mappings();
  }
  return scores;
}

}  // namespace mop
