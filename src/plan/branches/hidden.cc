// plan/branches/hidden.cc -- width of the residual stream: removes the hidden channels with the
// lowest scores, summed over the layers, from the whole model (Minitron, arXiv 2407.14679).
// Channels are removed in packs; neurons of every layer make up the rest.
#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "model/family.h"
#include "plan/branches/branches.h"
#include "plan/branches/width_step.h"

namespace mop {
namespace {

constexpr int64_t kPack = 32;  // block size of the quantised formats

const Option<std::string> kCriterion = {
    .name = "criterion",
    .default_value = "minitron-hidden",
    .range = {.names = [] { return criteria_of(UnitKind::kChannel); }},
    .help = "criterion that ranks hidden channels"};
const Option<int64_t> kMultiple = {
    .name = "channel_multiple",
    .unset = "32, or the largest power of two such that one layer's parameters hold two packs",
    .range = multiple_range(),
    .help = "the hidden size is a multiple of this"};
const Option<std::string> kNeurons = {
    .name = "neurons",
    .default_value = "amp-neurons",
    .range = {.names = [] { return criteria_of(UnitKind::kNeuron); }},
    .help = "criterion of the neurons that make up the rest below a pack"};

struct HiddenSettings {
  std::string channels, neurons;  // criteria
  int64_t multiple = kPack;       // of the hidden size
  WidthOptions widths;
};

int64_t channel_parameters(const ModelConfig& config) {
  return unit_parameters(UnitKind::kChannel, config, {});
}

int64_t default_multiple(const ModelConfig& config) {
  int64_t multiple = kPack;
  while (multiple > 1 && 2 * multiple * channel_parameters(config) > layer_worth(config))
    multiple /= 2;
  return multiple;
}

HiddenSettings read_settings(const ModelConfig& config, const Options& options) {
  check_channels_may_go(config);
  HiddenSettings settings;
  settings.channels = options.get(kCriterion);
  settings.neurons = options.get(kNeurons);
  settings.multiple = options.get(kMultiple, default_multiple(config));
  settings.widths.rule = WidthRule::kMlpOnly;
  settings.widths.shape_multiple = options.get(kShapeMultiple, 1);
  return settings;
}

HiddenSettings settings_of(const BranchInput& input) {
  HiddenSettings settings = read_settings(input.config, input.options);
  settings.widths.in_full = input.in_full;
  settings.widths.closing = true;  // neurons make up the rest in full
  return settings;
}

// Sizes of a step.
struct Counts {
  int64_t channels = 0;
  WidthCounts neurons;
};

// Number of channels to remove for `want` parameters; keeps a multiple, at least one.
int64_t channels_within(double want, const ModelConfig& config, int64_t multiple) {
  const auto each = static_cast<double>(channel_parameters(config));
  const auto affordable = static_cast<int64_t>(std::floor(want / each));
  const int64_t odd = config.hidden % multiple;
  if (affordable < odd || config.hidden <= multiple) return 0;
  const int64_t channels = odd + (affordable - odd) / multiple * multiple;
  return std::min(channels, config.hidden - multiple);
}

ModelConfig without(const ModelConfig& config, int64_t channels) {
  ModelConfig narrower = config;
  narrower.hidden -= channels;
  return narrower;
}

Counts counts_of(const BranchInput& input, const HiddenSettings& settings) {
  const ModelConfig& config = input.config;
  const double owed = input.closing ? 0 : input.owed.parameters;
  const double want = static_cast<double>(input.budget) + owed;
  Counts counts;
  counts.channels = channels_within(want, config, settings.multiple);
  const double rest = want - static_cast<double>(counts.channels * channel_parameters(config));
  if (counts.channels > 0 && rest < 1) {
    const std::vector<int64_t> none(config.layers.size(), 0);
    counts.neurons = {none, none, rest};
    return counts;
  }
  const auto for_neurons = std::max<int64_t>(1, std::llround(rest));
  counts.neurons =
      allocate_width(without(config, counts.channels), for_neurons, {}, settings.widths);
  return counts;
}

ShapeStep shapes_of(const ModelConfig& config, const Counts& counts) {
  ShapeStep step = shapes_after(config, counts.neurons);
  step.hidden = config.hidden - counts.channels;
  return step;
}

ShapeStep count(const BranchInput& input) {
  return shapes_of(input.config, counts_of(input, settings_of(input)));
}

// Scores of the channels summed over all layers.
at::Tensor summed_scores(const std::vector<at::Tensor>& scores, int64_t hidden) {
  at::Tensor sum_D = at::zeros({hidden}, at::kDouble);
  for (const at::Tensor& scores_D : scores) sum_D += scores_D;
  return sum_D;
}

PlanStep propose(const BranchInput& input, const Model& model, Measure& measure) {
  const HiddenSettings settings = settings_of(input);
  const Counts counts = counts_of(input, settings);
  std::vector<WidthUnits> units(model.layers().size());
  for (size_t i = 0; i < units.size(); ++i) {
    const int64_t neurons = counts.neurons.neurons[i];
    if (neurons > 0) units[i].neurons = lowest(measure.scores(settings.neurons)[i], neurons);
  }
  PlanStep step = width_step("hidden", model, units);
  if (counts.channels > 0) {
    const at::Tensor scores_D =
        summed_scores(measure.scores(settings.channels), input.config.hidden);
    for (const int32_t i : lowest(scores_D, counts.channels))
      step.channels.push_back(model.channels()[static_cast<size_t>(i)]);
  }
  step.owed = counts.neurons.owed;
  step.parameters = total_parameters(after_step(input.config, shapes_of(input.config, counts)));
  return step;
}

Json with_defaults(const ModelConfig& dense, const Json& given) {
  const HiddenSettings settings = read_settings(dense, Options("hidden", given));
  Json all = {{"criterion", settings.channels},
              {"channel_multiple", settings.multiple},
              {"neurons", settings.neurons},
              {"shape_multiple", settings.widths.shape_multiple}};
  for (const auto& [key, value] : given.items()) all[key] = value;
  return all;
}

std::vector<std::string> criteria(const ModelConfig& config, const Options& options) {
  const HiddenSettings settings = read_settings(config, options);
  return {settings.channels, settings.neurons};
}

Reach reach(const ModelConfig& dense, const Options& options) {
  const HiddenSettings settings = read_settings(dense, options);
  Reach reach = reach_of_units(settings.widths);
  reach.multiples.push_back({UnitKind::kChannel, settings.multiple, kMultiple.name});
  reach.kept = std::nullopt;  // the channels of every layer go
  reach.neurons_fill = true;
  return reach;
}

}  // namespace

Branch hidden_branch() {
  return {
      .letter = 'C',
      .name = "hidden",
      .summary = "lowest-scoring channels of the residual stream, of the whole model (Minitron)",
      .count = count,
      .propose = propose,
      .defaults = with_defaults,
      .criteria = criteria,
      .reach = reach,
      .source = "Minitron, arXiv 2407.14679, section 2.2; packs: docs/method.md",
      .options = {kCriterion, kMultiple, kNeurons, kShapeMultiple},
      .deviations = {}};
}

}  // namespace mop
