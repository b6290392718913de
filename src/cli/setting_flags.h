// cli/setting_flags.h -- flags that set recipe settings; types, help and choices come from the
// declarations.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/option.h"

namespace mop {

/// A flag and its setting.
struct SettingFlag {
  std::string_view flag;  ///< "--budget"
  std::string_view key;   ///< "width.budget"
};

/// Flags of `mop plan` and `mop prune`; of `prune` only; of `recover` and `train`; of `recover`
/// only.
std::span<const SettingFlag> size_flags();
std::span<const SettingFlag> run_flags();
std::span<const SettingFlag> training_flags();
std::span<const SettingFlag> recover_flags();

/// Returns the declaration of the setting behind `flag` of `verb`; nullptr when the flag is not a
/// setting.
const OptionSpec* setting_of(std::string_view verb, std::string_view flag);

/// Declares the flag. `keep` receives its last value.
CLI::Option* add_setting(CLI::App& app, const SettingFlag& flag, const OptionSpec& spec,
                         std::function<void(Json)> keep);

/// Returns "KV groups that every layer keeps (default: 1)".
std::string flag_help(const OptionSpec& spec);

}  // namespace mop
