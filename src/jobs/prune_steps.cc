// jobs/prune_steps.cc
#include "jobs/prune_steps.h"

#include <cmath>

#include "base/files.h"
#include "base/read_values.h"
#include "jobs/score_counts.h"
#include "model/composite.h"
#include "model/family.h"
#include "run/describe.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

double fraction(int64_t before, int64_t after) {
  return static_cast<double>(before - after) / static_cast<double>(before);
}

Json candidates_json(const MixStep& step) {
  Json list = Json::array();
  for (size_t i = 0; i < step.candidates.size(); ++i) {
    Json row = {{"branch", step.candidates[i]}};
    if (!step.figures.empty() && std::isfinite(step.figures[i].nll)) {
      row["perplexity"] = std::exp(step.figures[i].nll);
      row["kl"] = step.figures[i].kl;
      row["cosine"] = step.figures[i].cosine;
    }
    list.push_back(row);
  }
  return list;
}

}  // namespace

std::vector<PlanStep> read_steps(const RunFolder& folder) {
  std::vector<PlanStep> steps;
  while (true) {
    const fs::path file = folder.step(static_cast<int64_t>(steps.size()) + 1) / "plan.json";
    if (!fs::exists(file)) break;
    steps.push_back(step_from_json(read_json(file), file.string()));
  }
  for (auto number = static_cast<int64_t>(steps.size()) + 1; fs::exists(folder.step(number));
       ++number) {
    fs::remove_all(folder.step(number));
  }
  return steps;
}

Json step_metrics(const MixStep& step, const Model& dense, const ModelConfig& after) {
  Json json;
  json["step"] = step.number;
  json["branch"] = step.plan.branch;
  json["budget"] = step.budget;
  json["parameters"] = total_parameters(after);
  json["block_parameters"] = block_parameters(after);
  json["removed_fraction"] = fraction(total_parameters(dense.config()), total_parameters(after));
  json["block_removed_fraction"] =
      fraction(block_parameters(dense.config()), block_parameters(after));
  json["layers"] = layers_json(after.layers);
  const std::vector<LayerShape> tower = cut_tower_of(dense.config(), after);
  if (!tower.empty()) {
    json["tower"] = layers_json(tower);
    json["tower_removed_fraction"] = fraction(block_parameters(tower_config(dense.config())),
                                              block_parameters(tower_config(after)));
  }
  if (changed_hidden(after) != 0) json["hidden"] = after.hidden;
  json["candidates"] = candidates_json(step);
  return json;
}

Json target_metrics(const Target& target, const ModelConfig& dense, const ModelConfig& after) {
  if (target.counts_parameters() || !prices(target)) return nullptr;
  const int64_t before = std::llround(amount(target, dense));
  const int64_t left = std::llround(amount(target, after));
  return {{"currency", target.currency},
          {"unit", find_currency(target.currency).unit},
          {"dense", before},
          {"pruned", left},
          {"removed_fraction", fraction(before, left)}};
}

Json step_lines(const RunFolder& folder, size_t count) {
  Json lines = Json::array();
  for (size_t i = 1; i <= count; ++i) {
    const fs::path file = folder.step(static_cast<int64_t>(i)) / "metrics.json";
    const Json metrics = read_json(file);
    const auto number = [&](const char* key) {
      return require<double>(metrics, key, file.string());
    };
    lines.push_back({{"step", require<int64_t>(metrics, "step", file.string())},
                     {"branch", require<std::string>(metrics, "branch", file.string())},
                     {"shape", step_shape_text(metrics, file.string())},
                     {"parameters", require<int64_t>(metrics, "parameters", file.string())},
                     {"removed_fraction", number("removed_fraction")},
                     {"block_removed_fraction", number("block_removed_fraction")},
                     {"candidates", part_of(metrics, "candidates")}});
  }
  return lines;
}

void write_step(const RunFolder& folder, const MixStep& step, Json metrics,
                const StepMeasures& measured) {
  const fs::path place = folder.step(step.number);
  fs::create_directories(place);
  if (!measured.stats.empty()) write_stats(place / "stats.safetensors", measured.stats);
  const Json scores = score_counts(measured, step.plan);
  if (!scores.empty()) metrics["scores"] = scores;
  write_file(place / "metrics.json", to_text(metrics));
  sync_path(place);
  write_file(place / "plan.json", to_text(to_json(step.plan)));
  sync_path(place);
}

}  // namespace mop
