// base/option.h -- a setting as it is declared: name, type, default, range and help. Rows of tables
// and sections of a recipe list their settings, and read them through these declarations.
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
/// The alternatives of `OptionValue`, in its order. kNumbers may be written as one number.
enum class OptionType { kInteger, kNumber, kFlag, kText, kIntegers, kNumbers, kTexts };
/// "integer", "list of texts".
std::string_view type_name(OptionType type);

/// What a setting may be: bounds of each of its numbers, or what each of its texts is chosen from.
struct OptionRange {
  double least = -INFINITY, most = INFINITY;
  bool above_least = false, below_most = false;  ///< the bound itself is out of range
  std::vector<std::string> choices = {};
  std::vector<std::string> (*names)() = nullptr;  ///< choices that are only known when asked for

  std::vector<std::string> all_choices() const;
};
OptionRange at_least(double least);
OptionRange above(double least);
/// Both bounds included.
OptionRange between(double least, double most);
OptionRange one_of(std::vector<std::string> choices);
/// "at least 1", "above 0, below 1", "exact, released"; empty when anything goes.
std::string range_text(const OptionRange& range);

struct OptionSpec {
  std::string name;
  OptionType type = OptionType::kText;
  std::optional<OptionValue> default_value;
  std::string unset;  ///< what holds without a default: "the model's context"
  OptionRange range;
  std::string help;  ///< one line
};

/// A declaration whose type the compiler knows. Exactly one of `default_value` and `unset` is
/// given.
template <typename T>
struct Option {
  std::string_view name;
  std::optional<T> default_value = std::nullopt;
  std::string_view unset = {};
  OptionRange range = {};
  std::string_view help;

  operator OptionSpec() const {  // NOLINT: tables list what files declare with types
    std::optional<OptionValue> value;
    if (default_value) value = *default_value;
    return {
        std::string(name), OptionType(OptionValue(T()).index()), value, std::string(unset), range,
        std::string(help)};
  }
};

/// The default as a recipe spells it, or the words of `unset`.
std::string default_text(const OptionSpec& spec);
/// From {least | above, most | below, choices}, as `to_json` has them; other keys are left alone.
OptionRange range_from_json(const nlohmann::ordered_json& json);
/// {name, type, default (null: depends), unset?, range? {least, above, most, below, choices}, help}
nlohmann::ordered_json to_json(const OptionSpec& spec);

nlohmann::ordered_json to_json(const OptionValue& value);
/// The value of a setting, which `place` names in errors: "width.budget". Throws Error(kUsage) for
/// another type or a value out of range.
OptionValue option_value(const nlohmann::ordered_json& json, const OptionSpec& spec,
                         const std::string& place);

}  // namespace mop
