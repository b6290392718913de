// cli/setting_flags.h -- flags that are settings of a recipe: their types, helps and choices are
// the declarations'.
#pragma once
#include <CLI/CLI.hpp>
#include <functional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"
#include "base/option.h"

namespace mop {

/// A flag and the setting that it is.
struct SettingFlag {
  std::string_view flag;  ///< "--budget"
  std::string_view key;   ///< "width.budget"
};

/// Flags of `mop plan` and `mop prune`; of `prune` alone; of `recover` and `train`; of `recover`
/// alone.
std::span<const SettingFlag> size_flags();
std::span<const SettingFlag> run_flags();
std::span<const SettingFlag> training_flags();
std::span<const SettingFlag> recover_flags();

/// The settings that a verb's flags are: the declaration behind `flag` of `verb`; nullptr for a
/// flag that is none.
const OptionSpec* setting_of(std::string_view verb, std::string_view flag);

/// Declares the flag; `keep` is given what it says, the last time that it is said.
CLI::Option* add_setting(CLI::App& app, const SettingFlag& flag, const OptionSpec& spec,
                         std::function<void(Json)> keep);

/// "KV groups that every layer keeps (default: 1)".
std::string flag_help(const OptionSpec& spec);

}  // namespace mop
