// jobs/prune_card.cc
#include "jobs/prune_card.h"

#include <filesystem>

#include "base/build_info.h"
#include "base/read_values.h"
#include "export/hf_layout.h"
#include "jobs/prune_costs.h"
#include "jobs/prune_steps.h"
#include "model/family.h"
#include "report/model_card.h"
#include "run/describe.h"
#include "run/model_source.h"

namespace mop {
namespace fs = std::filesystem;

Json sizes_for_people(const ModelConfig& dense, const ModelConfig& config) {
  return {{"parameters", total_parameters(config)},
          {"block_parameters", block_parameters(config)},
          {"shape", shape_text(dense, config)}};
}

Json size_metrics(const PreparedRun& run, const Model& model) {
  Json metrics = {{"dense", sizes_for_people(run.dense.config(), run.dense.config())},
                  {"pruned", sizes_for_people(run.dense.config(), model.config())}};
  metrics["dense"]["layers"] = layers_json(run.dense.config().layers);
  metrics["pruned"]["layers"] = layers_json(model.config().layers);
  const auto removed = [&](const char* key) {
    return 1 - metrics["pruned"][key].get<double>() / metrics["dense"][key].get<double>();
  };
  metrics["removed_fraction"] = removed("parameters");
  metrics["block_removed_fraction"] = removed("block_parameters");
  const Json target = target_metrics(run.recipe.target, run.dense.config(), model.config());
  if (!target.is_null()) metrics["target"] = target;
  metrics["costs"] = costs_json(run, model.config());
  metrics["samples"] = {{"statistics", run.samples.calibration.ids.size()},
                        {"validation", run.samples.validation.ids.size()}};
  return metrics;
}

// The origin of a plan. A replay passes it on, so that it writes the same model card.
Json made_by(const PreparedRun& run, const Json& figures) {
  if (run.replay) return run.made_by;
  return {{"model", model_name(run.recipe.model)},
          {"recipe", to_json(run.recipe)},
          {"figures", figures}};
}

namespace {

std::string licence_text(const fs::path& source) {
  const std::vector<std::string> files = licence_files(source);
  if (files.empty()) {
    return "The base model's licence applies. Its folder had no licence file to copy.";
  }
  return fmt::format("The base model's licence applies; see {} in this folder.",
                     fmt::join(files, ", "));
}

}  // namespace

std::string card_text(const PreparedRun& run, const Model& model, const Json& origin,
                      const Json& metrics) {
  ModelCard card;
  card.base_model = word_of(origin, "model");
  if (card.base_model.empty()) card.base_model = model_name(run.recipe.model);
  card.licence = licence_text(run.recipe.model);
  card.program = "mop " + mop_version();
  card.dense = metrics["dense"];
  card.pruned = metrics["pruned"];
  card.steps = metrics["steps"];
  if (origin.is_object()) {
    card.figures = part_of(origin, "figures");
    card.recipe = part_of(origin, "recipe");
    card.recovery = part_of(origin, "recovery");
  }
  return model_card(card);
}

}  // namespace mop
