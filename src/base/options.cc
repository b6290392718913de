// base/options.cc
#include "base/options.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/nearest.h"

namespace mop {
using Json = nlohmann::ordered_json;

Options::Options() : values_(std::make_unique<Json>(Json::object())) {}

Options::Options(std::string section, const Json& values)
    : section_(std::move(section)), values_(std::make_unique<Json>(values)) {
  if (!values_->is_object()) {
    throw usage_error("{} must be a map of settings, got {}",
                      section_.empty() ? "a recipe" : section_, values_->dump());
  }
}

Options::Options(std::string section, const Json& values, std::span<const OptionSpec> declared)
    : Options(std::move(section), values) {
  declared_.emplace();
  for (const OptionSpec& spec : declared) declared_->push_back(spec.name);
  std::vector<std::string> unknown;
  for (const auto& [name, value] : values_->items()) {
    if (std::ranges::find(*declared_, name) == declared_->end()) {
      unknown.push_back(with_nearest(name, *declared_));
    }
  }
  if (!unknown.empty()) {
    throw usage_error("{} does not know: {}", section_.empty() ? "a recipe" : section_,
                      fmt::join(unknown, ", "))
        .hint(declared_->empty() ? "it has no settings"
                                 : fmt::format("known: {}", fmt::join(*declared_, ", ")));
  }
  for (const OptionSpec& spec : declared) find(spec);
}

Options::Options(const Options& other)
    : section_(other.section_),
      values_(std::make_unique<Json>(*other.values_)),
      declared_(other.declared_) {}

Options& Options::operator=(const Options& other) {
  section_ = other.section_;
  values_ = std::make_unique<Json>(*other.values_);
  declared_ = other.declared_;
  return *this;
}

Options::~Options() = default;

std::string Options::place(std::string_view name) const {
  return section_.empty() ? std::string(name) : fmt::format("{}.{}", section_, name);
}

std::optional<OptionValue> Options::find(const OptionSpec& spec) const {
  if (declared_ && std::ranges::find(*declared_, spec.name) == declared_->end()) {
    throw internal_error("{} is read but not declared", place(spec.name));
  }
  const auto it = values_->find(spec.name);
  if (it == values_->end()) return std::nullopt;
  return option_value(*it, spec, place(spec.name));
}

OptionValue Options::or_default(const OptionSpec& spec) const {
  if (!spec.default_value) throw internal_error("{} has no default", place(spec.name));
  return find(spec).value_or(*spec.default_value);
}

OptionValue Options::or_unset(const OptionSpec& spec, OptionValue unset) const {
  if (spec.default_value) throw internal_error("{} has a default", place(spec.name));
  return find(spec).value_or(std::move(unset));
}

bool Options::has(std::string_view name) const { return values_->contains(std::string(name)); }

namespace {
Json values_of(const Json& recipe, const std::string& name) {
  const auto it = recipe.find(name);
  return it == recipe.end() || it->is_null() ? Json::object() : *it;
}
}  // namespace

Options section(const Json& recipe, const std::string& name) {
  return Options(name, values_of(recipe, name));
}

Options section(const Json& recipe, const std::string& name, std::span<const OptionSpec> declared) {
  return Options(name, values_of(recipe, name), declared);
}

Json filled_in(const Options& options, std::span<const OptionSpec> declared) {
  Json all = Json::object();
  for (const OptionSpec& spec : declared) {
    if (options.has(spec.name)) {
      all[spec.name] = to_json(option_value(options.json().at(spec.name), spec, spec.name));
    } else if (spec.default_value) {
      all[spec.name] = to_json(*spec.default_value);
    }
  }
  return all;
}

}  // namespace mop
