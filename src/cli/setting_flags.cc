// cli/setting_flags.cc
#include "cli/setting_flags.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "base/error.h"
#include "recipe/recipe_sections.h"

namespace mop {
namespace {

constexpr SettingFlag kSizeFlags[] = {
    {"--iterations", "target.iterations"},
    {"--remove", "target.remove"},
    {"--of", "target.of"},
    {"--target", "target.currency"},
    {"--rounds", "target.rounds"},
    {"--uniform", "uniform"},
    {"--select", "select"},
    {"--seed", "seed"},
    {"--budget", "width.budget"},
    {"--rule", "width.rule"},
    {"--criterion", "width.criterion"},
    {"--depth-rule", "depth.rule"},
    {"--allocation", "width.allocation"},
    {"--min-kv-groups", "width.min_kv_groups"},
    {"--shape-multiple", "width.shape_multiple"},
    {"--protect", "protect"},
};
constexpr SettingFlag kRunFlags[] = {
    {"--calibration", "calibration.file"},
    {"--validation", "validation.file"},
    {"--samples", "calibration.samples"},
    {"--sample", "calibration.sample"},
    {"--max-tokens", "calibration.max_tokens"},
    {"--repair", "repair.method"},
    {"--weights", "weights.method"},
    {"--sparsity", "weights.sparsity"},
    {"--pattern", "weights.pattern"},
    {"--images", "calibration.images"},
    {"--plan", "plan"},
    {"--device", "compute.device"},
    {"--dtype", "compute.dtype"},
};
constexpr SettingFlag kTrainingFlags[] = {
    {"--data", "data.file"},
    {"--images", "data.images"},
    {"--template", "data.template"},
    {"--max-tokens", "data.max_tokens"},
    {"--validation", "validation.file"},
    {"--epochs", "epochs"},
    {"--tokens", "tokens"},
    {"--minutes", "minutes"},
    {"--lr", "learning_rate"},
    {"--seed", "seed"},
    {"--device", "compute.device"},
    {"--dtype", "compute.dtype"},
};
constexpr SettingFlag kRecoverFlags[] = {{"--method", "method"}, {"--teacher", "teacher"}};

// Reads "30%" as 0.3.
std::string fraction_fault(std::string& text) {
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (std::string_view(end) == "%") {
    text = fmt::format("{}", value / 100);
    return "";
  }
  const bool too_large = end != text.c_str() && *end == '\0' && value >= 1;
  return too_large ? fmt::format("{} is not a fraction below 1; give 0.3, or 30%", text) : "";
}

bool is_fraction(const OptionRange& range) {
  return range.least == 0 && range.above_least && range.most == 1 && range.below_most;
}

// Help and flag types show short lists only; `mop list` shows longer ones.
constexpr size_t kShortList = 48;

std::string short_choices(const OptionSpec& spec, const char* between) {
  const std::string text = fmt::format("{}", fmt::join(spec.range.all_choices(), between));
  return text.size() <= kShortList ? text : "";
}

template <typename T>
CLI::Option* add_value(CLI::App& app, const std::string& flag, const OptionSpec& spec,
                       std::function<void(Json)> keep) {
  const auto given = [keep = std::move(keep)](const T& value) { keep(Json(value)); };
  return app.add_option_function<T>(flag, given, flag_help(spec));
}

CLI::Option* add_scalar(CLI::App& app, const std::string& flag, const OptionSpec& spec,
                        std::function<void(Json)> keep) {
  switch (spec.type) {
    case OptionType::kInteger:
      return add_value<int64_t>(app, flag, spec, std::move(keep));
    case OptionType::kNumber:
    case OptionType::kNumbers:
      return add_value<double>(app, flag, spec, std::move(keep));
    case OptionType::kText:
      return add_value<std::string>(app, flag, spec, std::move(keep));
    default:
      throw internal_error("{} cannot be of type {}", flag, type_name(spec.type));
  }
}

}  // namespace

std::span<const SettingFlag> size_flags() { return kSizeFlags; }
std::span<const SettingFlag> run_flags() { return kRunFlags; }
std::span<const SettingFlag> training_flags() { return kTrainingFlags; }
std::span<const SettingFlag> recover_flags() { return kRecoverFlags; }

const OptionSpec* setting_of(std::string_view verb, std::string_view flag) {
  const auto find = [&](std::span<const SettingFlag> flags,
                        const OptionSpec& (*setting)(std::string_view)) -> const OptionSpec* {
    const auto it = std::ranges::find(flags, flag, &SettingFlag::flag);
    return it == flags.end() ? nullptr : &setting(it->key);
  };
  const OptionSpec* spec = nullptr;
  if (verb == "plan" || verb == "prune") spec = find(kSizeFlags, prune_setting);
  if (spec == nullptr && verb == "prune") spec = find(kRunFlags, prune_setting);
  if (verb == "recover" || verb == "train") spec = find(kTrainingFlags, recover_setting);
  if (spec == nullptr && verb == "recover") spec = find(kRecoverFlags, recover_setting);
  return spec;
}

std::string flag_help(const OptionSpec& spec) {
  std::string text = spec.help;
  const std::string choices = short_choices(spec, ", ");
  if (!choices.empty()) text += ": " + choices;
  const bool off = spec.type == OptionType::kFlag || spec.type == OptionType::kIntegers;
  const std::string unset = default_text(spec);
  if (!off && !unset.empty()) text += fmt::format(" (default: {})", unset);
  return text;
}

CLI::Option* add_setting(CLI::App& app, const SettingFlag& flag, const OptionSpec& spec,
                         std::function<void(Json)> keep) {
  const std::string name(flag.flag);
  if (spec.type == OptionType::kFlag) {
    const auto given = [keep = std::move(keep)](int64_t) { keep(Json(true)); };
    return app.add_flag_function(name, given, flag_help(spec));
  }
  if (spec.type == OptionType::kIntegers) {
    return add_value<std::vector<int64_t>>(app, name, spec, std::move(keep))
        ->delimiter(',')
        ->allow_extra_args(false);
  }
  // The last of repeated flags counts, so that scripts can append flags.
  CLI::Option* option = add_scalar(app, name, spec, std::move(keep))->take_last();
  if (spec.type == OptionType::kNumber && is_fraction(spec.range)) {
    option->transform(CLI::Validator(fraction_fault, ""));
  }
  return option;
}

}  // namespace mop
