// model/rope_types.cc -- the table of rotary position encodings. The order of operations and the
// dtypes are those of transformers, since higher precision gives visibly different results.
//
// Shape letters: F pairs of coordinates, half a head.
#include "model/rope_types.h"

#include <ATen/ATen.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numbers>

#include "base/error.h"

namespace mop {
namespace {

double positive(const Json& section, std::string_view key, const std::string& where) {
  const double value = require<double>(section, key, where);
  if (value > 0.0) return value;
  throw bad_input("rope scaling: '{}' must be positive, got {}", key, value).where("file", where);
}

void read_nothing(const RopeSettings&, RopeConfig&) {}

void read_factor(const RopeSettings& in, RopeConfig& rope) {
  rope.factor = positive(in.section, "factor", in.where);
}

// transformers 5 prefers the top-level value. If neither is given, the context was not extended.
int64_t original_context(const RopeSettings& in) {
  constexpr const char* kKey = "original_max_position_embeddings";
  const int64_t inside = get_or<int64_t>(in.section, kKey, in.context, in.where);
  const int64_t context = get_or<int64_t>(in.config, kKey, inside, in.where);
  if (context > 0) return context;
  throw bad_input("'{}' must be positive, got {}", kKey, context).where("file", in.where);
}

void read_llama3(const RopeSettings& in, RopeConfig& rope) {
  read_factor(in, rope);
  rope.low_freq_factor = require<double>(in.section, "low_freq_factor", in.where);
  rope.high_freq_factor = require<double>(in.section, "high_freq_factor", in.where);
  rope.original_context = original_context(in);
  if (rope.low_freq_factor > 0 && rope.low_freq_factor < rope.high_freq_factor) return;
  throw bad_input("rope scaling: low_freq_factor {} must be positive and below high_freq_factor {}",
                  rope.low_freq_factor, rope.high_freq_factor)
      .where("file", in.where);
}

// The base grows with lengths beyond `context`; the formula is undefined for two coordinates.
void read_dynamic(const RopeSettings& in, RopeConfig& rope) {
  read_factor(in, rope);
  rope.original_context = in.context;
  if (in.head_dim > 2) return;
  throw bad_input("rope type 'dynamic' needs a head_dim above 2, got {}", in.head_dim)
      .where("file", in.where);
}

// The given factor or, if null, the ratio of the new to the original context.
double factor_or_ratio(const RopeSettings& in, int64_t original) {
  const auto it = in.section.find("factor");
  if (it != in.section.end() && !it->is_null()) return positive(in.section, "factor", in.where);
  return static_cast<double>(in.context) / static_cast<double>(original);
}

// 0 and null mean the default.
double nonzero_or(const RopeSettings& in, std::string_view key, double fallback) {
  const double value = get_or<double>(in.section, key, 0.0, in.where);
  return value == 0.0 ? fallback : value;
}

double yarn_scale(double factor, double weight) {
  return factor <= 1 ? 1.0 : 0.1 * weight * std::log(factor) + 1.0;
}

double yarn_attention_factor(const RopeSettings& in, double factor) {
  const double mscale = get_or<double>(in.section, "mscale", 0.0, in.where);
  const double all_dim = get_or<double>(in.section, "mscale_all_dim", 0.0, in.where);
  const double inferred = mscale != 0 && all_dim != 0
                              ? yarn_scale(factor, mscale) / yarn_scale(factor, all_dim)
                              : yarn_scale(factor, 1);
  return get_or<double>(in.section, "attention_factor", inferred, in.where);
}

void read_yarn(const RopeSettings& in, RopeConfig& rope) {
  if (!in.section.contains("factor")) require<double>(in.section, "factor", in.where);
  rope.original_context = original_context(in);
  rope.factor = factor_or_ratio(in, rope.original_context);
  rope.attention_factor = yarn_attention_factor(in, rope.factor);
  rope.beta_fast = nonzero_or(in, "beta_fast", 32);
  rope.beta_slow = nonzero_or(in, "beta_slow", 1);
  rope.truncate = get_or<bool>(in.section, "truncate", true, in.where);
  if (rope.beta_fast >= rope.beta_slow && rope.beta_slow > 0 && rope.theta > 1) return;
  throw bad_input(
      "rope scaling: yarn needs 0 < beta_slow <= beta_fast and rope_theta > 1, got {}, {}, {}",
      rope.beta_slow, rope.beta_fast, rope.theta)
      .where("file", in.where);
}

std::vector<double> factors(const RopeSettings& in, const char* key) {
  const auto it = in.section.find(key);
  std::vector<double> values;
  if (it != in.section.end() && it->is_array()) {
    for (const Json& item : *it) {
      if (item.is_number() && item.get<double>() > 0) values.push_back(item.get<double>());
    }
  }
  if (std::ssize(values) == in.head_dim / 2 && values.size() == it->size()) return values;
  throw bad_input(
      "rope scaling: '{}' must be a list of {} positive numbers, one for each pair of "
      "coordinates of a head",
      key, in.head_dim / 2)
      .where("file", in.where);
}

void read_longrope(const RopeSettings& in, RopeConfig& rope) {
  rope.original_context = original_context(in);
  rope.factor = factor_or_ratio(in, rope.original_context);
  rope.short_factor = factors(in, "short_factor");
  rope.long_factor = factors(in, "long_factor");
  const auto original = static_cast<double>(rope.original_context);
  const double inferred =
      rope.factor <= 1 ? 1.0 : std::sqrt(1 + std::log(rope.factor) / std::log(original));
  rope.attention_factor = get_or<double>(in.section, "attention_factor", inferred, in.where);
}

at::Tensor exponents(int64_t head_dim) {
  return at::arange(0, head_dim, 2, at::TensorOptions().dtype(at::kLong)).to(at::kFloat) /
         static_cast<double>(head_dim);
}

at::Tensor plain(const RopeConfig& rope, int64_t head_dim, int64_t) {
  return at::pow(rope.theta, exponents(head_dim)).reciprocal();
}

at::Tensor linear(const RopeConfig& rope, int64_t head_dim, int64_t length) {
  return plain(rope, head_dim, length) / rope.factor;
}

// Divides low frequencies by `factor`, keeps high ones and interpolates between.
at::Tensor llama3(const RopeConfig& rope, int64_t head_dim, int64_t length) {
  const at::Tensor frequency_F = plain(rope, head_dim, length);
  const double context = static_cast<double>(rope.original_context);
  const at::Tensor wavelength_F = 2 * std::numbers::pi / frequency_F;
  const at::Tensor slowed_F = at::where(wavelength_F.gt(context / rope.low_freq_factor),
                                        frequency_F / rope.factor, frequency_F);
  const at::Tensor smooth_F = (context / wavelength_F - rope.low_freq_factor) /
                              (rope.high_freq_factor - rope.low_freq_factor);
  const at::Tensor blended_F = (1 - smooth_F) * slowed_F / rope.factor + smooth_F * slowed_F;
  const at::Tensor between_F = wavelength_F.ge(context / rope.high_freq_factor)
                                   .logical_and(wavelength_F.le(context / rope.low_freq_factor));
  return at::where(between_F, blended_F, slowed_F);
}

// transformers computes the base of a longer sequence in float32, from its tensor of positions.
at::Tensor dynamic(const RopeConfig& rope, int64_t head_dim, int64_t length) {
  if (length <= rope.original_context) return plain(rope, head_dim, length);
  const double power = static_cast<double>(head_dim) / static_cast<double>(head_dim - 2);
  const at::Tensor stretch = at::scalar_tensor(length, at::kLong).to(at::kFloat) * rope.factor /
                                 static_cast<double>(rope.original_context) -
                             (rope.factor - 1);
  const at::Tensor base = stretch.pow(power) * rope.theta;
  return at::pow(base, exponents(head_dim)).reciprocal();
}

// Keeps frequencies with more than beta_fast rotations within the original context, scales those
// with fewer than beta_slow, with a linear ramp between.
at::Tensor yarn(const RopeConfig& rope, int64_t head_dim, int64_t) {
  const auto size = static_cast<double>(head_dim);
  const auto turning = [&](double turns) {
    return size *
           std::log(static_cast<double>(rope.original_context) / (turns * 2 * std::numbers::pi)) /
           (2 * std::log(rope.theta));
  };
  double low = turning(rope.beta_fast), high = turning(rope.beta_slow);
  if (rope.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, size - 1);
  if (low == high) high += 0.001;
  const at::Tensor wave_F = at::pow(rope.theta, exponents(head_dim));
  const at::Tensor ramp_F =
      ((at::arange(head_dim / 2, at::TensorOptions().dtype(at::kFloat)) - low) / (high - low))
          .clamp(0, 1);
  const at::Tensor kept_F = 1 - ramp_F;
  return (wave_F * rope.factor).reciprocal() * (1 - kept_F) + wave_F.reciprocal() * kept_F;
}

at::Tensor longrope(const RopeConfig& rope, int64_t head_dim, int64_t length) {
  const auto& factor = length > rope.original_context ? rope.long_factor : rope.short_factor;
  const at::Tensor factor_F = at::tensor(factor, at::kDouble).to(at::kFloat);
  return (factor_F * at::pow(rope.theta, exponents(head_dim))).reciprocal();
}

constexpr std::array kTypes = {
    RopeType{.name = "default",
             .summary = "one base for all lengths (arXiv 2104.09864)",
             .by_length = false,
             .read = read_nothing,
             .frequencies = plain},
    RopeType{.name = "linear",
             .summary = "positions divided by `factor` (arXiv 2306.15595)",
             .by_length = false,
             .read = read_factor,
             .frequencies = linear},
    RopeType{.name = "dynamic",
             .summary = "base grows with lengths beyond max_position_embeddings (NTK)",
             .by_length = true,
             .read = read_dynamic,
             .frequencies = dynamic},
    RopeType{.name = "yarn",
             .summary = "low frequencies scaled, high ones kept, logits scaled (arXiv 2309.00071)",
             .by_length = false,
             .read = read_yarn,
             .frequencies = yarn},
    RopeType{.name = "longrope",
             .summary =
                 "a factor per pair of coordinates; one list up to the original context and one "
                 "beyond (arXiv 2402.13753)",
             .by_length = true,
             .read = read_longrope,
             .frequencies = longrope},
    RopeType{.name = "llama3",
             .summary = "Llama 3.1: low frequencies scaled, high ones kept",
             .by_length = false,
             .read = read_llama3,
             .frequencies = llama3},
};

}  // namespace

std::span<const RopeType> all_rope_types() { return kTypes; }

const RopeType& find_rope_type(std::string_view name, const std::string& where) {
  std::vector<std::string_view> known;
  for (const RopeType& type : kTypes) {
    if (type.name == name) return type;
    known.push_back(type.name);
  }
  throw bad_input("unsupported rope type '{}'", name)
      .where("file", where)
      .hint(fmt::format("supported: {}", fmt::join(known, ", ")));
}

int64_t rope_length_key(const RopeConfig& rope, int64_t length) {
  if (!find_rope_type(rope.type, "the model").by_length) return 0;
  if (length <= rope.original_context) return rope.original_context;
  return rope.type == "dynamic" ? length : rope.original_context + 1;
}

int64_t longest_with_shared_rope(const RopeConfig& rope) {
  return find_rope_type(rope.type, "the model").by_length ? rope.original_context
                                                          : std::numeric_limits<int64_t>::max();
}

}  // namespace mop
