// model/rope_config.cc -- transformers 4 reads `rope_theta` and `rope_scaling`; 5 reads
// `rope_parameters`, or `rope_scaling` instead if it is present.
#include "model/rope_config.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "model/rope_types.h"

namespace mop {
namespace {

constexpr const char* kOld = "rope_scaling";
constexpr const char* kNew = "rope_parameters";

// Theta if the file does not give it: the class default of every family.
constexpr double kThetaDefault = 10000.0;

// Null and an empty rope_scaling count as absent.
const Json* find_section(const Json& raw, const char* key, const std::string& where) {
  const auto it = raw.find(key);
  if (it == raw.end() || it->is_null()) return nullptr;
  if (!it->is_object()) {
    throw bad_input("'{}' must be an object, got {}", key, it->dump()).where("file", where);
  }
  for (const Json& item : *it) {
    if (!item.is_object()) continue;
    throw bad_input("unsupported position encoding: '{}' differs by layer type", key)
        .where("file", where);
  }
  return it->empty() ? nullptr : &*it;
}

std::string type_of(const Json& section, const std::string& where) {
  return get_or<std::string>(section, "rope_type",
                             get_or<std::string>(section, "type", "default", where), where);
}

// Programs read a file with contradicting values differently, so it is an error.
double read_theta(const Json& raw, const Json* old, const Json* renewed, const std::string& where) {
  const double beside = get_or<double>(raw, "rope_theta", 0.0, where);
  const double in_old = old ? get_or<double>(*old, "rope_theta", 0.0, where) : 0.0;
  const double in_new = renewed ? get_or<double>(*renewed, "rope_theta", 0.0, where) : 0.0;
  double theta = 0.0;
  for (const double value : {in_old, beside, in_new}) {
    if (value == 0.0 || value == theta) continue;
    if (theta != 0.0) {
      throw bad_input("two different values of rope_theta: {} and {}", theta, value)
          .where("file", where)
          .hint("rope_theta, rope_scaling.rope_theta and rope_parameters.rope_theta must agree");
    }
    theta = value;
  }
  if (theta == 0.0) return kThetaDefault;
  if (!(theta > 0.0)) {
    throw bad_input("'rope_theta' must be positive, got {}", theta).where("file", where);
  }
  if (old && beside == 0.0 && in_old == 0.0 && theta != kThetaDefault) {
    throw bad_input(
        "rope_theta {} is only in rope_parameters, which readers ignore because "
        "rope_scaling is present: they would use {}",
        theta, kThetaDefault)
        .where("file", where)
        .hint("set rope_theta at the top level too");
  }
  return theta;
}

// The settings under either name of the type, in sorted order.
nlohmann::json settings(const Json& section, const std::string& where) {
  nlohmann::json all = section;
  all.erase("type");
  all.erase("rope_theta");
  all["rope_type"] = type_of(section, where);
  return all;
}

void note_disagreement(const Json& raw, const Json& old, const Json* renewed, double theta,
                       const std::string& where, std::vector<std::string>& notes) {
  if (renewed && settings(old, where) != settings(*renewed, where)) {
    notes.push_back(
        fmt::format("rope_scaling ({}) is used, as in transformers; rope_parameters ({}) "
                    "is ignored",
                    type_of(old, where), type_of(*renewed, where)));
  }
  if (get_or<double>(raw, "rope_theta", kThetaDefault, where) != theta) {
    notes.push_back(
        fmt::format("rope_theta {} is only in the rope section: transformers 4 uses {} instead",
                    theta, kThetaDefault));
  }
}

// Longrope is the only type for which both places of the original context are in use.
void note_original_context(const Json& raw, const Json& section, const RopeConfig& rope,
                           const std::string& where, std::vector<std::string>& notes) {
  constexpr const char* kKey = "original_max_position_embeddings";
  const int64_t inside = get_or<int64_t>(section, kKey, 0, where);
  const int64_t beside = get_or<int64_t>(raw, kKey, 0, where);
  const bool scaled = rope.type == "llama3" || rope.type == "yarn" || rope.type == "longrope";
  if (scaled && inside != 0 && beside != 0 && inside != beside) {
    notes.push_back(
        fmt::format("two values of {}: {} at the top level is used, as in transformers 5; "
                    "{} in the rope section "
                    "is ignored",
                    kKey, beside, inside));
  } else if (rope.type == "longrope" && beside == 0 && inside != 0) {
    notes.push_back(fmt::format(
        "{} is only in the rope section, where transformers 4 does not read it for longrope: "
        "it uses max_position_embeddings instead",
        kKey));
  }
}

void check_partial(const Json& raw, const Json& section, const std::string& where) {
  const double partial =
      get_or<double>(section, "partial_rotary_factor",
                     get_or<double>(raw, "partial_rotary_factor", 1.0, where), where);
  if (partial == 1.0) return;
  throw bad_input("unsupported: rotary positions on a part of the head (partial_rotary_factor {})",
                  partial)
      .where("file", where);
}

}  // namespace

Json rope_section(const Json& raw, const std::string& where) {
  for (const char* key : {kOld, kNew}) {
    if (const Json* section = find_section(raw, key, where)) return *section;
  }
  return Json::object();
}

RopeConfig read_rope(const Json& raw, int64_t context, int64_t head_dim, const std::string& where,
                     std::vector<std::string>& notes) {
  const Json* old = find_section(raw, kOld, where);
  const Json* renewed = find_section(raw, kNew, where);
  const Json section = rope_section(raw, where);
  RopeConfig rope;
  rope.theta = read_theta(raw, old, renewed, where);
  rope.type = type_of(section, where);
  check_partial(raw, section, where);
  find_rope_type(rope.type, where).read({section, raw, context, head_dim, where}, rope);
  if (!(rope.attention_factor > 0.0) || !std::isfinite(rope.attention_factor)) {
    throw bad_input("rope scaling: attention_factor must be a positive number, got {}",
                    rope.attention_factor)
        .where("file", where);
  }
  if (old) note_disagreement(raw, *old, renewed, rope.theta, where, notes);
  note_original_context(raw, section, rope, where, notes);
  return rope;
}

}  // namespace mop
