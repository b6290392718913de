// base/option.h -- declarations of settings: name, type, default, range and help. Table rows and
// recipe sections list their settings and read them through these declarations.
#pragma once
#include <cmath>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace mop {

using OptionValue = std::variant<int64_t, double, bool, std::string, std::vector<int64_t>,
                                 std::vector<double>, std::vector<std::string>>;
/// The alternatives of `OptionValue`, in its order. A value of type kNumbers may also be a single
/// number.
enum class OptionType { kInteger, kNumber, kFlag, kText, kIntegers, kNumbers, kTexts };
/// Returns "integer", "list of texts", ...
std::string_view type_name(OptionType type);

/// Valid values: bounds for each number, choices for each text.
struct OptionRange {
  double least = -INFINITY, most = INFINITY;
  bool above_least = false, below_most = false;  ///< whether the bound itself is excluded
  std::vector<std::string> choices = {};
  std::vector<std::string> (*names)() = nullptr;  ///< returns choices known at run time only

  std::vector<std::string> all_choices() const;
};
OptionRange at_least(double least);
OptionRange above(double least);
/// Both bounds are included.
OptionRange between(double least, double most);
OptionRange one_of(std::vector<std::string> choices);
/// Returns "at least 1", "above 0, below 1", "exact, released"; empty when there is no limit.
std::string range_text(const OptionRange& range);

struct OptionSpec {
  std::string name;
  OptionType type = OptionType::kText;
  std::optional<OptionValue> default_value;
  std::string unset;  ///< describes the behaviour without a default: "the model's context"
  OptionRange range;
  std::string help;  ///< one line
};

/// A declaration with a static type. Exactly one of `default_value` and `unset` is given.
template <typename T>
struct Option {
  std::string_view name;
  std::optional<T> default_value = std::nullopt;
  std::string_view unset = {};
  OptionRange range = {};
  std::string_view help;

  operator OptionSpec() const {  // NOLINT: implicit, because tables list typed declarations
    std::optional<OptionValue> value;
    if (default_value) value = *default_value;
    return {
        std::string(name), OptionType(OptionValue(T()).index()), value, std::string(unset), range,
        std::string(help)};
  }
};

/// Returns the default as a recipe spells it, or `unset`.
std::string default_text(const OptionSpec& spec);
/// Reads {least | above, most | below, choices}, as `to_json` writes them; ignores other keys.
OptionRange range_from_json(const nlohmann::ordered_json& json);
/// Returns {name, type, default (null: depends), unset?, range? {least, above, most, below,
/// choices}, help}.
nlohmann::ordered_json to_json(const OptionSpec& spec);

nlohmann::ordered_json to_json(const OptionValue& value);
/// Converts a JSON value and checks its type and range. `place` names the setting in errors:
/// "width.budget". Throws Error(kUsage).
OptionValue option_value(const nlohmann::ordered_json& json, const OptionSpec& spec,
                         const std::string& place);

}  // namespace mop
