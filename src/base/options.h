// base/options.h -- one section of a recipe: named settings, read through their declarations.
#pragma once
#include <cstdint>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "base/option.h"

namespace mop {

/// The settings of one part of a run (a criterion, a branch, a selector), stored as JSON.
class Options {
 public:
  Options();
  /// `section` is the path in the recipe, for errors; empty at the top level of a recipe. `values`
  /// must be an object.
  Options(std::string section, const nlohmann::ordered_json& values);
  /// The same, but accepts only the settings in `declared`. Throws Error(kUsage) for an undeclared
  /// setting, with a suggestion, and for a value that does not fit its declaration.
  Options(std::string section, const nlohmann::ordered_json& values,
          std::span<const OptionSpec> declared);
  Options(const Options&);
  Options& operator=(const Options&);
  ~Options();

  /// Returns the setting or its default; nullopt or `unset` when there is neither. Throws
  /// Error(kUsage) for a value that does not fit the declaration; Error(kInternal) for an
  /// undeclared setting, or when the call and the declaration disagree on whether there is a
  /// default.
  template <typename T>
  T get(const Option<T>& option) const {
    return std::get<T>(or_default(option));
  }
  template <typename T>
  T get(const Option<T>& option, std::type_identity_t<T> unset) const {
    return std::get<T>(or_unset(option, std::move(unset)));
  }
  template <typename T>
  std::optional<T> given(const Option<T>& option) const {
    const auto value = find(option);
    return value ? std::optional<T>(std::get<T>(*value)) : std::nullopt;
  }
  bool has(std::string_view name) const;

  const nlohmann::ordered_json& json() const { return *values_; }

 private:
  std::optional<OptionValue> find(const OptionSpec& spec) const;
  OptionValue or_default(const OptionSpec& spec) const;
  OptionValue or_unset(const OptionSpec& spec, OptionValue unset) const;
  std::string place(std::string_view name) const;

  std::string section_;
  std::unique_ptr<nlohmann::ordered_json> values_;
  /// Names; nullopt when the section was made without declarations.
  std::optional<std::vector<std::string>> declared_;
};

/// Returns the section `name` of a recipe; empty when it is missing or null.
Options section(const nlohmann::ordered_json& recipe, const std::string& name);
Options section(const nlohmann::ordered_json& recipe, const std::string& name,
                std::span<const OptionSpec> declared);

/// Returns every declared setting that is given or has a default, in declaration order.
nlohmann::ordered_json filled_in(const Options& options, std::span<const OptionSpec> declared);

}  // namespace mop
