// base/options.h -- one section of a recipe: named settings, read with a type and a default.
#pragma once
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>
#include <vector>

namespace mop {

/// Settings of one part of a run (a criterion, a branch, a selector). Values are kept as JSON.
/// A setting that nobody read is a typing mistake: `check_all_used` refuses it.
class Options {
 public:
  Options();
  /// `section` names the place in the recipe, for error messages. `values` must be an object.
  Options(std::string section, const nlohmann::ordered_json& values);
  Options(const Options&);
  Options& operator=(const Options&);
  ~Options();

  /// Each returns the setting, or `fallback` when absent; throws Error(kUsage) on another type.
  int64_t integer(std::string_view name, int64_t fallback) const;
  double number(std::string_view name, double fallback) const;
  bool flag(std::string_view name, bool fallback) const;
  std::string text(std::string_view name, std::string_view fallback) const;
  bool has(std::string_view name) const;

  /// Throws Error(kUsage) naming the settings that were given but never read.
  void check_all_used() const;
  const nlohmann::ordered_json& json() const { return *values_; }

 private:
  const nlohmann::ordered_json* find(std::string_view name) const;
  std::string section_;
  std::unique_ptr<nlohmann::ordered_json> values_;
  mutable std::map<std::string, bool, std::less<>> used_;
};

/// The section `name` of a recipe; empty when it is missing or null.
Options section(const nlohmann::ordered_json& recipe, const std::string& name);

}  // namespace mop
