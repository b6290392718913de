// model/rope_types.h -- the types of rotary position encoding: the settings each reads from
// config.json, and its frequencies.
#pragma once
#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <string_view>

#include "model/config.h"

namespace mop {

/// Input of RopeType::read.
struct RopeSettings {
  const Json& section;  ///< rope_scaling or rope_parameters
  const Json& config;   ///< all of config.json
  int64_t context;      ///< max_position_embeddings
  int64_t head_dim;
  const std::string& where;  ///< names the file in errors
};

struct RopeType {
  std::string_view name;     ///< `rope_type` (or `type`) in config.json
  std::string_view summary;  ///< one line, with the source
  bool by_length;            ///< frequencies depend on the sequence length
  /// Sets the fields that the type uses. Throws Error(kBadInput) naming a missing or invalid
  /// setting.
  void (*read)(const RopeSettings& settings, RopeConfig& rope);
  /// Radians per token of each pair of coordinates, [head_dim / 2] float32, for a sequence of
  /// `length` tokens; same order of operations and precision as transformers.
  at::Tensor (*frequencies)(const RopeConfig& rope, int64_t head_dim, int64_t length);
};

std::span<const RopeType> all_rope_types();
/// Throws Error(kBadInput) listing the known types.
const RopeType& find_rope_type(std::string_view name, const std::string& where);

/// Returns a key such that sequences with equal keys have equal frequencies: 0 if the type does not
/// depend on the length, otherwise a length to pass to `frequencies`.
int64_t rope_length_key(const RopeConfig& rope, int64_t length);
/// Returns the length up to which frequencies do not depend on the sequence's length, so that such
/// sequences may share a prefix. INT64_MAX if they never do.
int64_t longest_with_shared_rope(const RopeConfig& rope);

}  // namespace mop
