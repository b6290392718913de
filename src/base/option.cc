// base/option.cc
#include "base/option.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/named_table.h"
#include "base/narrow.h"

namespace mop {
using Json = nlohmann::ordered_json;
namespace {

struct TypeRow {
  std::string_view name;
  std::string_view expected;  // as error messages name it
};
constexpr std::array<TypeRow, 7> kTypes = {{
    {"integer", "a whole number"},
    {"number", "a number"},
    {"flag", "true or false"},
    {"text", "a text"},
    {"list of integers", "a list of whole numbers"},
    {"number or list of numbers", "a number or a list of numbers"},
    {"list of texts", "a list of texts"},
}};

bool holds(const Json& json, OptionType type) {
  const auto all = [&](OptionType item) {
    return json.is_array() &&
           std::ranges::all_of(json, [&](const Json& value) { return holds(value, item); });
  };
  switch (type) {
    case OptionType::kInteger:
      return is_whole_number(json);
    case OptionType::kNumber:
      return json.is_number();
    case OptionType::kFlag:
      return json.is_boolean();
    case OptionType::kText:
      return json.is_string();
    case OptionType::kIntegers:
      return all(OptionType::kInteger);
    case OptionType::kNumbers:
      return json.is_number() || (!json.empty() && all(OptionType::kNumber));
    case OptionType::kTexts:
      return all(OptionType::kText);
  }
  return false;
}

OptionValue converted(const Json& json, OptionType type) {
  switch (type) {
    case OptionType::kInteger:
      return json.get<int64_t>();
    case OptionType::kNumber:
      return json.get<double>();
    case OptionType::kFlag:
      return json.get<bool>();
    case OptionType::kText:
      return json.get<std::string>();
    case OptionType::kIntegers:
      return json.get<std::vector<int64_t>>();
    case OptionType::kNumbers:
      return json.is_array() ? json.get<std::vector<double>>() : std::vector{json.get<double>()};
    case OptionType::kTexts:
      return json.get<std::vector<std::string>>();
  }
  return {};
}

std::string bounds_text(const OptionRange& range) {
  std::string text;
  if (std::isfinite(range.least)) {
    text = fmt::format("{} {}", range.above_least ? "above" : "at least", range.least);
  }
  if (std::isfinite(range.most)) {
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", range.below_most ? "below" : "at most",
                        range.most);
  }
  return text;
}

void check_number(double number, const OptionSpec& spec, const std::string& place) {
  const OptionRange& range = spec.range;
  if (!std::isfinite(number))
    throw usage_error("{} must be a finite number, got {}", place, number);
  const bool low = range.above_least ? number <= range.least : number < range.least;
  const bool high = range.below_most ? number >= range.most : number > range.most;
  if (!low && !high) return;
  const bool negative = low && range.least == 0 && !range.above_least && !std::isfinite(range.most);
  throw usage_error("{} must {}, got {}", place,
                    negative ? "not be negative" : "be " + bounds_text(range), number);
}

void check_text(const std::string& text, const OptionSpec& spec, const std::string& place) {
  const std::vector<std::string> choices = spec.range.all_choices();
  if (choices.empty() || std::ranges::find(choices, text) != choices.end()) return;
  throw unknown_name(place, text, choices);
}

// Checks every number or text of a value.
struct CheckItems {
  const OptionSpec& spec;
  const std::string& place;
  void operator()(int64_t number) const { check_number(static_cast<double>(number), spec, place); }
  void operator()(double number) const { check_number(number, spec, place); }
  void operator()(bool) const {}
  void operator()(const std::string& text) const { check_text(text, spec, place); }
  template <typename Item>
  void operator()(const std::vector<Item>& items) const {
    for (const Item& item : items) (*this)(item);
  }
};

}  // namespace

Json to_json(const OptionValue& value) {
  return std::visit([](const auto& held) { return Json(held); }, value);
}

std::string_view type_name(OptionType type) { return kTypes[static_cast<size_t>(type)].name; }

std::vector<std::string> OptionRange::all_choices() const {
  std::vector<std::string> all = choices;
  if (names != nullptr) {
    const std::vector<std::string> more = names();
    all.insert(all.end(), more.begin(), more.end());
  }
  return all;
}

OptionRange at_least(double least) { return {.least = least}; }
OptionRange above(double least) { return {.least = least, .above_least = true}; }
OptionRange between(double least, double most) { return {.least = least, .most = most}; }
OptionRange one_of(std::vector<std::string> choices) { return {.choices = std::move(choices)}; }

std::string range_text(const OptionRange& range) {
  const std::vector<std::string> choices = range.all_choices();
  return choices.empty() ? bounds_text(range) : fmt::format("{}", fmt::join(choices, ", "));
}

std::string default_text(const OptionSpec& spec) {
  if (!spec.default_value) return spec.unset;
  if (const auto* text = std::get_if<std::string>(&*spec.default_value)) return *text;
  if (const auto* number = std::get_if<double>(&*spec.default_value)) {
    return fmt::format("{}", *number);
  }
  return to_json(*spec.default_value).dump();
}

OptionRange range_from_json(const Json& json) {
  OptionRange range;
  range.above_least = json.contains("above");
  range.below_most = json.contains("below");
  range.least = json.value(range.above_least ? "above" : "least", range.least);
  range.most = json.value(range.below_most ? "below" : "most", range.most);
  range.choices = json.value("choices", range.choices);
  return range;
}

Json to_json(const OptionSpec& spec) {
  Json json = {{"name", spec.name}, {"type", type_name(spec.type)}};
  json["default"] = spec.default_value ? to_json(*spec.default_value) : Json();
  if (!spec.unset.empty()) json["unset"] = spec.unset;
  Json range = Json::object();
  if (std::isfinite(spec.range.least)) {
    range[spec.range.above_least ? "above" : "least"] = spec.range.least;
  }
  if (std::isfinite(spec.range.most)) {
    range[spec.range.below_most ? "below" : "most"] = spec.range.most;
  }
  const std::vector<std::string> choices = spec.range.all_choices();
  if (!choices.empty()) range["choices"] = choices;
  if (!range.empty()) json["range"] = range;
  json["help"] = spec.help;
  return json;
}

OptionValue option_value(const Json& json, const OptionSpec& spec, const std::string& place) {
  if (!holds(json, spec.type)) {
    throw usage_error("{} must be {}, got {}", place,
                      kTypes[static_cast<size_t>(spec.type)].expected, json.dump());
  }
  OptionValue value = converted(json, spec.type);
  std::visit(CheckItems{spec, place}, value);
  return value;
}

}  // namespace mop
