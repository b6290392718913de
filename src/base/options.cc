// base/options.cc
#include "base/options.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/narrow.h"

namespace mop {
using Json = nlohmann::ordered_json;

Options::Options() : values_(std::make_unique<Json>(Json::object())) {}

Options::Options(std::string section, const Json& values)
    : section_(std::move(section)), values_(std::make_unique<Json>(values)) {
  if (!values_->is_object()) {
    throw usage_error("{} must be a map of settings, got {}", section_, values_->dump());
  }
}

Options::Options(const Options& other)
    : section_(other.section_),
      values_(std::make_unique<Json>(*other.values_)),
      used_(other.used_) {}

Options& Options::operator=(const Options& other) {
  section_ = other.section_;
  values_ = std::make_unique<Json>(*other.values_);
  used_ = other.used_;
  return *this;
}

Options::~Options() = default;

const Json* Options::find(std::string_view name) const {
  used_[std::string(name)] = true;
  const auto it = values_->find(std::string(name));
  return it == values_->end() ? nullptr : &*it;
}

namespace {
[[noreturn]] void refuse(const std::string& section, std::string_view name, const char* expected,
                         const Json& got) {
  throw usage_error("{}.{} must be {}, got {}", section, name, expected, got.dump());
}
}  // namespace

int64_t Options::integer(std::string_view name, int64_t fallback) const {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (!is_whole_number(*value)) refuse(section_, name, "a whole number", *value);
  return value->get<int64_t>();
}

double Options::number(std::string_view name, double fallback) const {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->is_number()) refuse(section_, name, "a number", *value);
  const auto number = value->get<double>();
  if (!std::isfinite(number))
    throw usage_error("{}.{} must be a finite number, got {}", section_, name, number);
  return number;
}

bool Options::flag(std::string_view name, bool fallback) const {
  const Json* value = find(name);
  if (value == nullptr) return fallback;
  if (!value->is_boolean()) refuse(section_, name, "true or false", *value);
  return value->get<bool>();
}

std::string Options::text(std::string_view name, std::string_view fallback) const {
  const Json* value = find(name);
  if (value == nullptr) return std::string(fallback);
  if (!value->is_string()) refuse(section_, name, "a text", *value);
  return value->get<std::string>();
}

bool Options::has(std::string_view name) const { return values_->contains(std::string(name)); }

void Options::check_all_used() const {
  std::string unknown, known;
  for (const auto& [name, value] : values_->items()) {
    if (!used_.contains(name)) unknown += (unknown.empty() ? "" : ", ") + name;
  }
  if (unknown.empty()) return;
  for (const auto& [name, used] : used_) known += (known.empty() ? "" : ", ") + name;
  throw usage_error("{} does not know: {}", section_, unknown).hint("known: " + known);
}

Options section(const Json& recipe, const std::string& name) {
  const auto it = recipe.find(name);
  return Options(name, it == recipe.end() || it->is_null() ? Json::object() : *it);
}

}  // namespace mop
