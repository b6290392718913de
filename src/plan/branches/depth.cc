// plan/branches/depth.cc -- depth: removes one whole layer, chosen by a rule of the table
// (plan/depth_rule.h).
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "base/named_table.h"
#include "model/family.h"
#include "plan/branches/branches.h"
#include "plan/depth_rule.h"

namespace mop {
namespace {

const Option<std::string> kRule = {.name = "rule",
                                   .default_value = all_depth_rules()[0].name,
                                   .range = row_of<all_depth_rules>(),
                                   .help = "which layer is removed (`mop list depth-rules`)"};

// The branch's section of the recipe.
struct DepthSettings {
  const DepthRule& rule;
  int64_t keep_first, keep_last;
  bool ranks() const { return rule.judged || !rule.criterion.empty(); }
};

DepthSettings read_settings(const Options& options) {
  const DepthRule& rule = find_depth_rule(options.get(kRule));
  return {rule, options.get(keep_first_of(rule)), options.get(keep_last_of(rule))};
}

// Current indices of the layers that may be removed.
std::vector<int32_t> may_go(const std::vector<int32_t>& sources, const BranchInput& input,
                            const DepthSettings& settings) {
  const auto layers = static_cast<int32_t>(sources.size());
  if (layers < 3) {
    throw bad_input("a depth step needs at least 3 layers, the model has {}", layers)
        .hint("lower the target or allow width steps");
  }
  std::vector<int32_t> open;
  for (auto i = static_cast<int32_t>(settings.keep_first); i < layers - settings.keep_last; ++i) {
    const int32_t source = sources[static_cast<size_t>(i)];
    if (std::ranges::find(input.protect, source) == input.protect.end()) open.push_back(i);
  }
  if (!open.empty()) return open;
  if (!settings.ranks() && settings.keep_first == 0 && settings.keep_last == 2) {
    throw bad_input(
        "a depth step finds no layer to remove: all {} layers up to the third from the end "
        "are protected",
        layers - 2)
        .hint("protect fewer layers or allow width steps");
  }
  throw bad_input(
      "a depth step finds no layer to remove: of {} layers the first {} and the last {} are kept, "
      "and "
      "the others are protected",
      layers, settings.keep_first, settings.keep_last)
      .hint("lower depth.keep_first or depth.keep_last, protect fewer layers or allow width steps");
}

ShapeStep without_layer(const ModelConfig& config, int32_t index) {
  ShapeStep step{config.layers, {index}, {}};
  step.layers.erase(step.layers.begin() + index);
  return step;
}

// If the choice needs measurements, the largest removable layer is counted.
ShapeStep count(const BranchInput& input) {
  const DepthSettings settings = read_settings(input.options);
  const std::vector<int32_t> open = may_go(sources_of(input), input, settings);
  if (!settings.ranks()) return without_layer(input.config, open.back());
  const auto size = [&](int32_t i) {
    return layer_parameters(input.config, input.config.layers[static_cast<size_t>(i)]);
  };
  return without_layer(input.config, *std::ranges::max_element(open, {}, size));
}

std::vector<double> scores_of(const std::vector<int32_t>& open, const DepthRule& rule,
                              Measure& measure) {
  const std::vector<at::Tensor>& scores = measure.scores(rule.criterion);
  std::vector<double> values;
  for (const int32_t i : open) values.push_back(scores[static_cast<size_t>(i)].item<double>());
  return values;
}

PlanStep step_without(const Model& model, int32_t index) {
  PlanStep step;
  step.branch = "depth";
  step.removals = {{model.layers()[static_cast<size_t>(index)].source, true, {}, {}, {}}};
  step.parameters =
      total_parameters(after_step(model.config(), without_layer(model.config(), index)));
  return step;
}

std::vector<double> losses_without(const std::vector<int32_t>& open, const Model& model,
                                   Measure& measure) {
  std::vector<PlanStep> candidates;
  for (const int32_t i : open) candidates.push_back(step_without(model, i));
  std::vector<double> values;
  for (const Validation& figures : measure.judge(candidates)) values.push_back(figures.nll);
  return values;
}

int32_t choose(const std::vector<int32_t>& open, const DepthRule& rule, const Model& model,
               Measure& measure) {
  std::vector<double> values =
      rule.judged ? losses_without(open, model, measure) : scores_of(open, rule, measure);
  for (double& value : values) value = std::isnan(value) ? INFINITY : value;
  const auto lowest = std::ranges::min_element(values);
  if (*lowest == INFINITY) {
    throw bad_input("depth rule '{}' has no finite score for any layer", rule.name);
  }
  return open[static_cast<size_t>(lowest - values.begin())];
}

PlanStep propose(const BranchInput& input, const Model& model, Measure& measure) {
  const DepthSettings settings = read_settings(input.options);
  const std::vector<int32_t> open = may_go(layer_sources(model), input, settings);
  return step_without(model,
                      settings.ranks() ? choose(open, settings.rule, model, measure) : open.back());
}

Json with_defaults(const ModelConfig&, const Json& given) {
  const DepthSettings settings = read_settings(Options("depth", given));
  if (given.empty() || given.is_null()) return Json::object();
  Json all = {{"rule", settings.rule.name},
              {"keep_first", settings.keep_first},
              {"keep_last", settings.keep_last}};
  for (const auto& [key, value] : given.items()) all[key] = value;
  return all;
}

// The options that all rules share; their defaults depend on the rule.
std::vector<OptionSpec> options() {
  std::vector<OptionSpec> all = {kRule};
  for (OptionSpec spec : all_depth_rules()[0].options) {
    spec.default_value.reset();
    spec.unset = "the rule's";
    all.push_back(std::move(spec));
  }
  return all;
}

std::vector<std::string> criteria(const ModelConfig&, const Options& options) {
  const DepthRule& rule = read_settings(options).rule;
  return rule.criterion.empty() ? std::vector<std::string>() : std::vector{rule.criterion};
}

}  // namespace

Branch depth_branch() {
  return {.letter = 'L',
          .name = "depth",
          .summary = "one whole layer, by default the third from the end (`mop list depth-rules`)",
          .count = count,
          .propose = propose,
          .divisible = false,
          .defaults = with_defaults,
          .criteria = criteria,
          .judges = [](const Options& options) { return read_settings(options).rule.judged; },
          .source = "MoP, arXiv 2602.06127",
          .options = options(),
          .deviations = {5, 7, 11}};
}

}  // namespace mop
