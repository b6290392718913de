// allocate/allocation.cc -- the table of allocations, and those with a share per layer.
#include "allocate/allocation.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "allocate/measured_damage.h"
#include "base/error.h"
#include "base/named_table.h"

namespace mop {
namespace {

const Option<double> kOwlLambda = {.name = "owl_lambda",
                                   .default_value = 0.08,
                                   .range = at_least(0),
                                   .help = "maximum difference of a layer's share from the mean"};
const Option<double> kCfspSlope = {
    .name = "cfsp_slope", .default_value = 1, .range = at_least(0), .help = "slope of the sigmoid"};

const Option<double> kEcoflapMargin = {
    .name = "ecoflap_margin",
    .default_value = 0.1,
    .range = at_least(0),
    .help = "maximum excess of a layer's removed fraction over the mean"};

const Option<int64_t> kDamageLevels = {
    .name = "damage_levels",
    .default_value = WidthOptions().damage_levels,
    .range = at_least(1),
    .help = "number of sizes of a half layer at which its damage is measured"};
const Option<int64_t> kGenerations = {.name = "generations",
                                      .default_value = WidthOptions().generations,
                                      .range = at_least(1),
                                      .help = "number of generations"};
const Option<int64_t> kOffspring = {.name = "offspring",
                                    .default_value = WidthOptions().offspring,
                                    .range = at_least(1),
                                    .help = "mutations per generation"};
const Option<int64_t> kEvolutionSeed = {.name = "evolution_seed",
                                        .unset = "the run's seed",
                                        .range = at_least(0),
                                        .help = "seed of the mutations"};

double setting(const SpreadInput& in, const Option<double>& option) {
  return in.settings == nullptr ? Options().get(option) : in.settings->get(option);
}

WidthCounts by_score(const SpreadInput& in) {
  return spread_by_score(in.config, in.uniform, in.scores, in.options);
}
WidthCounts in_one_list(const SpreadInput& in) {
  return spread_in_one_list(in.config, in.uniform, in.scores, in.options, RankBy::kScore);
}
WidthCounts by_cost(const SpreadInput& in) {
  return spread_in_one_list(in.config, in.uniform, in.scores, in.options,
                            RankBy::kScorePerParameter);
}

const std::vector<double>& layers_of(const SpreadInput& in) {
  if (in.layers != nullptr && in.layers->size() == in.config.layers.size()) return *in.layers;
  throw bad_input("this allocation needs a score for each of the {} layers",
                  in.config.layers.size());
}

double mean_of(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

// Returns the fraction of units that each layer keeps if the mean is `keep`.
using Shares = std::vector<double> (*)(const SpreadInput& in, double keep);

std::vector<double> desired(const std::vector<int64_t>& units, const std::vector<int64_t>& uniform,
                            const SpreadInput& in, Shares shares) {
  const auto sum = [](const std::vector<int64_t>& counts) {
    return static_cast<double>(std::accumulate(counts.begin(), counts.end(), int64_t{0}));
  };
  const double all = sum(units);
  std::vector<double> wanted(units.size(), 0);
  if (all == 0) return wanted;
  const std::vector<double> kept = shares(in, 1 - sum(uniform) / all);
  for (size_t i = 0; i < units.size(); ++i) {
    wanted[i] = static_cast<double>(units[i]) * (1 - kept[i]);
  }
  return wanted;
}

std::vector<int64_t> units_of(const ModelConfig& config, int64_t LayerShape::*kind) {
  std::vector<int64_t> units;
  for (const LayerShape& shape : config.layers) units.push_back(shape.*kind);
  return units;
}

// OWL: linear in the fraction of outliers, at most lambda from the mean.
std::vector<double> owl_shares(const SpreadInput& in, double keep) {
  std::vector<double> shares = layers_of(in);
  const auto [low, high] = std::ranges::minmax(shares);
  const double range = high - low, lambda = setting(in, kOwlLambda);
  for (double& share : shares) {
    share = range > 0 ? (share - low) / range * 2 * lambda : 0;
  }
  const double mean = mean_of(shares);
  for (double& share : shares) share = share - mean + keep;
  return shares;
}

WidthCounts owl(const SpreadInput& in) {
  const ModelConfig& config = in.config;
  const DesiredCounts wanted = {
      desired(units_of(config, &LayerShape::kv_heads), in.uniform.kv_groups, in, owl_shares),
      desired(units_of(config, &LayerShape::mlp), in.uniform.neurons, in, owl_shares)};
  return spread_as_desired(config, in.uniform, wanted, in.options);
}

// CFSP: a sigmoid of the angle's difference from the mean. In the authors' code the angle is a sum
// over tokens of 128 samples of 1024, divided by 1e4; with a mean over tokens this is a factor of
// 13.1.
std::vector<double> cfsp_shares(const SpreadInput& in, double keep) {
  constexpr double kPerToken = 128 * 1024 / 1e4;
  std::vector<double> shares = layers_of(in);
  const double mean_angle = mean_of(shares), slope = setting(in, kCfspSlope);
  for (double& share : shares) {
    share = 1 / (1 + std::exp(-slope * kPerToken * (share - mean_angle)));
  }
  const double mean = mean_of(shares), high = std::ranges::max(shares);
  // A layer cannot keep more than all of its units, so all deviations are scaled down.
  const double shrink = keep * high / mean < 1 ? 1 : mean * (1 / keep - 1) / (high - mean) / 1.05;
  for (double& share : shares) share = keep * (mean + (share - mean) * shrink) / mean;
  return shares;
}

// As published, only neurons are distributed; groups are uniform.
WidthCounts cfsp(const SpreadInput& in) {
  const std::vector<double> groups(in.uniform.kv_groups.begin(), in.uniform.kv_groups.end());
  const DesiredCounts wanted = {
      groups, desired(units_of(in.config, &LayerShape::mlp), in.uniform.neurons, in, cfsp_shares)};
  return spread_as_desired(in.config, in.uniform, wanted, in.options);
}

// Distributes `total` in proportion to the scores, within each entry's room; what exceeds the room
// of one entry goes to the others.
std::vector<double> share_out(double total, const std::vector<double>& scores,
                              const std::vector<double>& room) {
  std::vector<double> taken(scores.size(), 0);
  std::vector<bool> full(scores.size(), false);
  for (size_t round = 0; round < scores.size() && total > 0; ++round) {
    double open = 0;
    for (size_t i = 0; i < scores.size(); ++i) open += full[i] ? 0 : scores[i];
    if (open <= 0) break;
    const double per_score = total / open;
    bool filled = false;
    for (size_t i = 0; i < scores.size(); ++i) {
      if (full[i] || per_score * scores[i] < room[i]) continue;
      taken[i] = room[i];
      total -= room[i];
      full[i] = filled = true;
    }
    if (filled) continue;
    for (size_t i = 0; i < scores.size(); ++i)
      taken[i] = full[i] ? taken[i] : per_score * scores[i];
    return taken;
  }
  return taken;
}

// ECoFLaP: every layer keeps a minimum, and the rest of the kept units is distributed by score.
std::vector<double> ecoflap_counts(const std::vector<int64_t>& units,
                                   const std::vector<int64_t>& uniform, const SpreadInput& in) {
  const std::vector<double>& scores = layers_of(in);
  if (std::ranges::any_of(scores, [](double score) { return !(score >= 0); })) {
    throw bad_input("allocation 'ecoflap' needs non-negative layer scores");
  }
  const double all = static_cast<double>(std::accumulate(units.begin(), units.end(), int64_t{0}));
  const double gone =
      static_cast<double>(std::accumulate(uniform.begin(), uniform.end(), int64_t{0}));
  if (all == 0) return std::vector<double>(units.size(), 0);
  const double floor = std::max(0.0, 1 - gone / all - setting(in, kEcoflapMargin));
  std::vector<double> room;
  for (const int64_t n : units) room.push_back((1 - floor) * static_cast<double>(n));
  std::vector<double> counts = room;
  const std::vector<double> kept = share_out(all - gone - floor * all, scores, room);
  for (size_t i = 0; i < counts.size(); ++i) counts[i] -= kept[i];
  return counts;
}

WidthCounts ecoflap(const SpreadInput& in) {
  const ModelConfig& config = in.config;
  const DesiredCounts wanted = {
      ecoflap_counts(units_of(config, &LayerShape::kv_heads), in.uniform.kv_groups, in),
      ecoflap_counts(units_of(config, &LayerShape::mlp), in.uniform.neurons, in)};
  return spread_as_desired(config, in.uniform, wanted, in.options);
}

template <AllocateCurves allocate>
WidthCounts by_measured_damage(const SpreadInput& in) {
  return spread_by_measured_damage(in, allocate);
}

}  // namespace

void read_search_settings(const Options& options, WidthOptions& settings) {
  settings.damage_levels = options.get(kDamageLevels);
  settings.generations = options.get(kGenerations);
  settings.offspring = options.get(kOffspring);
  settings.evolution_seed = static_cast<uint64_t>(options.get(kEvolutionSeed, 0));
}

std::span<const Allocation> all_allocations() {
  static constexpr const char* kOurs = "this project, docs/method.md, Allocations";
  static const Allocation kRows[] = {
      {.name = "uniform",
       .summary = "equal counts for equal layers",
       .source = "MoP, arXiv 2602.06127"},
      {.name = "global",
       .summary =
           "lowest scores of the whole model, KV groups and neurons separately; layers differ",
       .spread = by_score,
       .source = kOurs,
       .deviations = {12}},
      {.name = "global-per-cost",
       .summary = "lowest scores per parameter, KV groups and neurons in one list",
       .spread = by_cost,
       .ranks_kinds_together = true,
       .source = kOurs,
       .deviations = {12}},
      {.name = "global-mixed",
       .summary = "lowest scores, KV groups and neurons in one list: FLAP's ranking of z-scores",
       .spread = in_one_list,
       .ranks_kinds_together = true,
       .source = "FLAP, arXiv 2312.11983, AL-AM",
       .deviations = {18, 19}},
      {.name = "owl",
       .summary = "layers with more outliers lose less",
       .criterion = "owl-layers",
       .spread = owl,
       .source = "OWL, arXiv 2310.05175, section 3.3",
       .options = {kOwlLambda},
       .deviations = {25}},
      {.name = "cfsp",
       .summary = "layers with a smaller angle between input and output lose more neurons",
       .criterion = "cfsp-layers",
       .spread = cfsp,
       .source = "CFSP, arXiv 2409.13199",
       .options = {kCfspSlope},
       .deviations = {24}},
      {.name = "ecoflap",
       .summary = "layers with a steeper loss keep more",
       .criterion = "ecoflap-layers",
       .spread = ecoflap,
       .source = "ECoFLaP, arXiv 2310.02998",
       .options = {kEcoflapMargin},
       .deviations = {34}},
      {.name = "convex-hull",
       .summary = "least damage per cost first, on the damage curves of all half layers: "
                  "predicted curves by the default method, measured ones with a criterion",
       .spread = by_measured_damage<allocate_by_damage>,
       .ranks_kinds_together = true,
       .judges = true,
       .of_curves = allocate_by_damage,
       .source = kOurs,
       .options = {kDamageLevels}},
      {.name = "dp",
       .summary = "least total damage on the same curves, by dynamic programming",
       .spread = by_measured_damage<allocate_by_programming>,
       .ranks_kinds_together = true,
       .judges = true,
       .of_curves = allocate_by_programming,
       .source = "knapsack of damages, arXiv 2308.10438",
       .options = {kDamageLevels},
       .deviations = {27}},
      {.name = "evolution",
       .summary = "lowest perplexity on held-out text, by an evolutionary search over counts",
       .spread = evolve_counts,
       .ranks_kinds_together = true,
       .judges = true,
       .draws = true,
       .source = "Tyr-the-Pruner, arXiv 2503.09657, section 3.3",
       .options = {kGenerations, kOffspring, kEvolutionSeed},
       .deviations = {28}},
  };
  return kRows;
}

const Allocation& find_allocation(std::string_view name) {
  return find_by_name(all_allocations(), name, "allocation");
}

}  // namespace mop
