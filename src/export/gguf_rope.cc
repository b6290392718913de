// export/gguf_rope.cc
#include "export/gguf_rope.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "checkpoint/gguf_checkpoint.h"
#include "checkpoint/gguf_rope_names.h"

namespace mop {
namespace {

at::Tensor float32(const std::vector<double>& values) {
  return at::tensor(values, at::kDouble).to(at::kFloat);
}

// llama.cpp scales yarn's logits as its authors suggest and multiplies by attn_factor, so the ratio
// is written.
double beside_yarn(const RopeConfig& rope) {
  const double usual = rope.factor <= 1 ? 1.0 : 0.1 * std::log(rope.factor) + 1.0;
  return rope.attention_factor / usual;
}

void check(const RopeConfig& rope) {
  if (rope.type == "dynamic") {
    throw bad_input(
        "llama.cpp does not support rope type 'dynamic', which depends on the sequence length")
        .hint("yarn and linear can be exported");
  }
  if (rope.type == "yarn" && (rope.beta_fast != 32 || rope.beta_slow != 1 || !rope.truncate)) {
    throw bad_input(
        "llama.cpp supports yarn only with beta_fast 32, beta_slow 1 and truncate, got {}, {}, {}",
        rope.beta_fast, rope.beta_slow, rope.truncate);
  }
}

}  // namespace

std::vector<std::pair<std::string, at::Tensor>> gguf_rope_factors(const RopeConfig& rope,
                                                                  int64_t head_dim) {
  if (rope.type == "llama3") {
    return {
        {std::string(kRopeFactors),
         llama3_rope_factors(rope.factor, rope.low_freq_factor, rope.high_freq_factor,
                             static_cast<double>(rope.original_context), rope.theta, head_dim)}};
  }
  if (rope.type != "longrope") return {};
  return {{std::string(kLongRopeFactors), float32(rope.long_factor)},
          {std::string(kShortRopeFactors), float32(rope.short_factor)}};
}

void write_gguf_rope(const RopeConfig& rope, std::string_view architecture, GgufMetadata& metadata,
                     std::vector<std::string>& notes) {
  check(rope);
  const auto put = [&](std::string_view key, GgufValue value) {
    metadata.emplace_back(fmt::format("{}.rope.{}", architecture, key), std::move(value));
  };
  put("freq_base", GgufValue::f32(rope.theta));
  if (rope.type == "llama3") {
    // llama.cpp needs only the factors; these keys let our reader reconstruct the config.
    metadata.emplace_back("mop.rope.factor", GgufValue::f32(rope.factor));
    metadata.emplace_back("mop.rope.low_freq_factor", GgufValue::f32(rope.low_freq_factor));
    metadata.emplace_back("mop.rope.high_freq_factor", GgufValue::f32(rope.high_freq_factor));
    metadata.emplace_back("mop.rope.original_context", GgufValue::u32(rope.original_context));
    return;
  }
  if (rope.type == "default") return;
  put("scaling.type", GgufValue::text(rope.type));
  if (rope.type == "linear" || rope.type == "yarn")
    put("scaling.factor", GgufValue::f32(rope.factor));
  if (rope.type == "linear") return;
  put("scaling.original_context_length", GgufValue::u32(rope.original_context));
  const double factor = rope.type == "yarn" ? beside_yarn(rope) : rope.attention_factor;
  if (std::abs(factor - 1) > 1e-9) put("scaling.attn_factor", GgufValue::f32(factor));
  if (rope.type != "longrope") return;
  notes.push_back(
      fmt::format("llama.cpp selects longrope's factors by its context size (long ones "
                  "above {}), not by the "
                  "length of the text",
                  rope.original_context));
}

}  // namespace mop
