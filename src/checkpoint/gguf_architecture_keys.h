// checkpoint/gguf_architecture_keys.h -- a GGUF file's keys that begin with its architecture's
// name.
#pragma once
#include <fmt/format.h>

#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "checkpoint/gguf.h"

namespace mop {

class GgufArchitectureKeys {
 public:
  GgufArchitectureKeys(const GgufFile& file, std::string_view prefix)
      : file_(file), prefix_(prefix) {}

  std::string name(std::string_view key) const { return fmt::format("{}.{}", prefix_, key); }
  bool has(std::string_view key) const { return file_.has(name(key)); }
  int64_t integer(std::string_view key) const { return file_.integer(name(key)); }
  int64_t integer_or(std::string_view key, int64_t fallback) const {
    return has(key) ? integer(key) : fallback;
  }
  std::string text_or(std::string_view key, std::string_view fallback) const {
    return has(key) ? file_.text(name(key)) : std::string(fallback);
  }
  /// A float32 as the decimal it was written from: 1e-05, not 9.99999974737875e-06.
  double number(std::string_view key) const {
    return std::stod(fmt::format("{}", static_cast<float>(file_.number(name(key)))));
  }
  double number_or(std::string_view key, double fallback) const {
    return has(key) ? number(key) : fallback;
  }
  /// One number for all layers, or a list.
  std::vector<int64_t> by_layer(std::string_view key, size_t layers) const;

 private:
  const GgufFile& file_;
  std::string_view prefix_;
};

/// Tensors of longrope's factors, for contexts up to the original one and beyond it.
inline constexpr std::string_view kShortRopeFactors = "rope_factors_short.weight";
inline constexpr std::string_view kLongRopeFactors = "rope_factors_long.weight";

/// Adds `rope_theta` and `rope_scaling` to a config that has `head_dim` and
/// `max_position_embeddings`. Throws Error(kBadInput) for what a config cannot express.
void put_gguf_rope(const GgufFile& file, const GgufArchitectureKeys& keys, Json& config);

}  // namespace mop
