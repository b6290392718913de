// plan/plan.cc -- plans as JSON.
#include "plan/plan.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/error.h"
#include "base/narrow.h"

namespace mop {
namespace {

constexpr int64_t kVersion = 1, kVersionWithValues = 2, kVersionWithHalves = 3,
                  kVersionWithTowerOrChannels = 4;

// 0,1,2,3,7 -> "0-3,7"
std::string to_runs(const IndexList& indices) {
  std::string text;
  for (size_t i = 0; i < indices.size();) {
    size_t end = i + 1;
    while (end < indices.size() && indices[end] == indices[end - 1] + 1) ++end;
    if (!text.empty()) text += ',';
    text += std::to_string(indices[i]);
    if (end - i > 1) text += '-' + std::to_string(indices[end - 1]);
    i = end;
  }
  return text;
}

[[noreturn]] void refuse_runs(const std::string& text, const std::string& where) {
  throw bad_input("expected increasing indices such as \"0-3,7\", got \"{}\"", text)
      .where("plan", where);
}

// Reads one number of a range and advances `text` past it.
int32_t take_number(std::string_view& text, const std::string& whole, const std::string& where) {
  int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value < 0) refuse_runs(whole, where);
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return value;
}

IndexList from_runs(const std::string& whole, const std::string& where) {
  constexpr int32_t kLargest =
      1 << 24;  // far beyond any layer; limits the memory that a wrong range can take
  IndexList indices;
  std::string_view text = whole;
  while (!text.empty()) {
    const int32_t first = take_number(text, whole, where);
    int32_t last = first;
    if (!text.empty() && text[0] == '-') {
      text.remove_prefix(1);
      last = take_number(text, whole, where);
    }
    if (last < first || last > kLargest || (!indices.empty() && first <= indices.back())) {
      refuse_runs(whole, where);
    }
    for (int32_t i = first; i <= last; ++i) indices.push_back(i);
    if (text.empty()) break;
    if (text[0] != ',' || text.size() == 1) refuse_runs(whole, where);
    text.remove_prefix(1);
  }
  return indices;
}

Json to_json(const Owed& owed) {
  return {{"parameters", owed.parameters},
          {"attention_parameters", owed.attention_parameters},
          {"groups", owed.groups}};
}

Owed owed_from_json(const Json& json, const std::string& where) {
  Owed owed;
  owed.parameters = get_or<double>(json, "parameters", 0, where);
  owed.attention_parameters = get_or<double>(json, "attention_parameters", 0, where);
  owed.groups = get_or<double>(json, "groups", 0, where);
  return owed;
}

Json to_json(const LayerRemoval& removal) {
  Json json = {{"layer", removal.layer}};
  if (removal.whole) json["whole"] = true;
  if (removal.attention) json["attention"] = true;
  if (removal.mlp) json["mlp"] = true;
  if (!removal.heads.empty()) json["heads"] = to_runs(removal.heads);
  if (!removal.kv_heads.empty()) json["kv_heads"] = to_runs(removal.kv_heads);
  if (!removal.neurons.empty()) json["neurons"] = to_runs(removal.neurons);
  return json;
}

// For a tower, whose heads are their own KV heads.
Json tower_json(LayerRemoval removal) {
  removal.kv_heads.clear();
  return to_json(removal);
}

// A removed layer or half must not list units.
void check_removal(const LayerRemoval& removal, const std::string& where) {
  const bool heads = !removal.heads.empty() || !removal.kv_heads.empty();
  const bool neurons = !removal.neurons.empty();
  if (removal.whole && (heads || neurons || removal.attention || removal.mlp)) {
    throw bad_input("layer {} is removed completely but lists units", removal.layer)
        .where("plan", where);
  }
  if (removal.attention && removal.mlp) {
    throw bad_input("layer {} loses both halves: write \"whole\": true", removal.layer)
        .where("plan", where);
  }
  if ((removal.attention && heads) || (removal.mlp && neurons)) {
    throw bad_input("the {} half of layer {} is removed but lists units",
                    removal.attention ? "attention" : "MLP", removal.layer)
        .where("plan", where);
  }
}

LayerRemoval removal_from_json(const Json& json, const std::string& where) {
  LayerRemoval removal;
  const auto list = [&](const char* key) {
    return from_runs(get_or<std::string>(json, key, "", where), where + "." + key);
  };
  removal.layer =
      narrow<int32_t>(require<int64_t>(json, "layer", where), fmt::format("'layer' of {}", where));
  removal.whole = get_or<bool>(json, "whole", false, where);
  removal.heads = list("heads");
  removal.kv_heads = list("kv_heads");
  removal.neurons = list("neurons");
  removal.attention = get_or<bool>(json, "attention", false, where);
  removal.mlp = get_or<bool>(json, "mlp", false, where);
  check_removal(removal, where);
  return removal;
}

Json to_json(const PlanValues& values) {
  return {{"checkpoint", values.checkpoint},
          {"parameters", values.parameters},
          {"sha256", values.sha256}};
}

PlanValues values_from_json(const Json& json, const std::string& where) {
  PlanValues values;
  values.checkpoint = require<std::string>(json, "checkpoint", where);
  values.parameters = require<int64_t>(json, "parameters", where);
  if (!json.contains("sha256") || !json["sha256"].is_object()) {
    throw bad_input("'sha256' must be a map from tensors to digests").where("plan", where);
  }
  for (const auto& [tensor, digest] : json["sha256"].items()) {
    values.sha256[tensor] = require<std::string>(json["sha256"], tensor, where);
  }
  return values;
}

bool removes_halves(const PrunePlan& plan) {
  return std::ranges::any_of(plan.steps, [](const PlanStep& step) {
    return std::ranges::any_of(step.removals,
                               [](const LayerRemoval& r) { return r.attention || r.mlp; });
  });
}

bool removes_channels(const PrunePlan& plan) {
  return std::ranges::any_of(plan.steps,
                             [](const PlanStep& step) { return !step.channels.empty(); });
}

int64_t version_of(const PrunePlan& plan) {
  if (removes_channels(plan) || cuts_tower(plan)) return kVersionWithTowerOrChannels;
  if (removes_halves(plan)) return kVersionWithHalves;
  return plan.values.empty() ? kVersion : kVersionWithValues;
}

// A short range can stand for millions of indices, and a plan may hold any number of ranges.
void check_units(size_t units, const std::string& where) {
  constexpr size_t kMostUnits = size_t{1} << 25;
  if (units > kMostUnits)
    throw bad_input("more than {} units are removed: not a plausible plan", kMostUnits)
        .where("plan", where);
}

size_t units_of(const LayerRemoval& removal) {
  return removal.heads.size() + removal.kv_heads.size() + removal.neurons.size();
}

const Json& require_list(const Json& json, const char* key, const std::string& where) {
  if (!json.is_object() || !json.contains(key) || !json[key].is_array()) {
    throw bad_input("'{}' must be a list", key).where("plan", where);
  }
  return json[key];
}

std::vector<LayerRemoval> removals_from_json(const Json& json, const char* key,
                                             const std::string& where) {
  std::vector<LayerRemoval> removals;
  size_t units = 0;
  for (const Json& layer : require_list(json, key, where)) {
    const std::string here = fmt::format("{}, {}[{}]", where, key, removals.size());
    LayerRemoval removal = removal_from_json(layer, here);
    check_units(units += units_of(removal), here);
    if (!removals.empty() && removal.layer <= removals.back().layer) {
      throw bad_input("layers must be in increasing order, but {} follows {}", removal.layer,
                      removals.back().layer)
          .where("plan", here);
    }
    removals.push_back(std::move(removal));
  }
  return removals;
}

}  // namespace

Json to_json(const PlanStep& step) {
  Json json = {{"branch", step.branch}, {"parameters", step.parameters}};
  if (step.owed != Owed()) json["owed"] = to_json(step.owed);
  if (!step.channels.empty()) json["hidden_channels"] = to_runs(step.channels);
  json["layers"] = Json::array();
  for (const LayerRemoval& removal : step.removals) json["layers"].push_back(to_json(removal));
  for (const LayerRemoval& removal : step.tower) json["tower"].push_back(tower_json(removal));
  return json;
}

Json to_json(const PrunePlan& plan) {
  Json json = {{"version", version_of(plan)},
               {"source_fingerprint", plan.source_fingerprint},
               {"dense_parameters", plan.dense_parameters},
               {"steps", Json::array()}};
  for (const PlanStep& step : plan.steps) json["steps"].push_back(to_json(step));
  if (!plan.values.empty()) json["values"] = to_json(plan.values);
  return json;
}

PlanStep step_from_json(const Json& json, const std::string& where) {
  PlanStep step;
  step.branch = require<std::string>(json, "branch", where);
  step.parameters = require<int64_t>(json, "parameters", where);
  if (json.contains("owed")) step.owed = owed_from_json(json["owed"], where + ", owed");
  step.channels = from_runs(get_or<std::string>(json, "hidden_channels", "", where),
                            where + ".hidden_channels");
  step.removals = removals_from_json(json, "layers", where);
  if (!json.contains("tower")) return step;
  step.tower = removals_from_json(json, "tower", where);
  for (LayerRemoval& removal : step.tower) {
    if (removal.whole || removal.attention || removal.mlp || !removal.kv_heads.empty()) {
      throw bad_input("only heads and neurons can be removed from a vision tower")
          .where("plan", fmt::format("{}, tower layer {}", where, removal.layer));
    }
    removal.kv_heads = removal.heads;
  }
  return step;
}

PrunePlan plan_from_json(const Json& json, const std::string& where) {
  if (json.is_object() && json.contains("steps") && !json.contains("version")) {
    throw bad_input("the file has steps but no version: it is not the plan of a run")
        .where("plan", where)
        .hint("give run/plan.json of a pruned model; `mop plan` writes sizes only");
  }
  const int64_t version = require<int64_t>(json, "version", where);
  if (version < kVersion || version > kVersionWithTowerOrChannels) {
    throw bad_input("unsupported plan version {}, expected {} to {}", version, kVersion,
                    kVersionWithTowerOrChannels)
        .where("plan", where);
  }
  PrunePlan plan;
  plan.source_fingerprint = get_or<std::string>(json, "source_fingerprint", "", where);
  plan.dense_parameters = require<int64_t>(json, "dense_parameters", where);
  size_t units = 0;
  for (const Json& step : require_list(json, "steps", where)) {
    plan.steps.push_back(
        step_from_json(step, fmt::format("{}, steps[{}]", where, plan.steps.size())));
    units += plan.steps.back().channels.size();
    for (const LayerRemoval& removal : plan.steps.back().removals) units += units_of(removal);
    for (const LayerRemoval& removal : plan.steps.back().tower) units += units_of(removal);
    check_units(units, where);
  }
  if (version == kVersionWithValues && !json.contains("values")) {
    throw bad_input("a plan of version {} must have 'values'", version).where("plan", where);
  }
  if (version > kVersion && json.contains("values")) {
    plan.values = values_from_json(json["values"], where + ", values");
  }
  return plan;
}

bool cuts_tower(const PrunePlan& plan) {
  return std::ranges::any_of(plan.steps, [](const PlanStep& step) { return !step.tower.empty(); });
}

IndexList layers_left(const PrunePlan& plan, int64_t count) {
  std::set<int32_t> removed;
  for (const PlanStep& step : plan.steps) {
    for (const LayerRemoval& removal : step.removals) {
      if (removal.whole) removed.insert(removal.layer);
    }
  }
  IndexList left;
  for (int32_t layer = 0; std::ssize(left) < count; ++layer) {
    if (!removed.contains(layer)) left.push_back(layer);
  }
  return left;
}

}  // namespace mop
