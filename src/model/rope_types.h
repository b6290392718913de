// model/rope_types.h -- the kinds of rotary position encoding: what each reads from its section of
// config.json, and the frequencies it computes.
#pragma once
#include <ATen/core/Tensor.h>

#include <span>
#include <string>
#include <string_view>

#include "model/config.h"

namespace mop {

/// What a type may look at while it reads its settings.
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
  bool by_length;            ///< frequencies depend on how long a sequence is
  /// Fills in what the type uses. Throws Error(kBadInput) naming a missing or impossible setting.
  void (*read)(const RopeSettings& settings, RopeConfig& rope);
  /// Radians per token of each pair of coordinates, [head_dim / 2] float32, for a sequence of
  /// `length` tokens; in the order of operations and the precision of transformers.
  at::Tensor (*frequencies)(const RopeConfig& rope, int64_t head_dim, int64_t length);
};

std::span<const RopeType> all_rope_types();
/// Throws Error(kBadInput), listing the known ones, if there is none called `name`.
const RopeType& find_rope_type(std::string_view name, const std::string& where);

/// Sequences that give the same number have the same frequencies: 0 when the type does not look at
/// the length, otherwise a length to give to `frequencies`.
int64_t rope_length_key(const RopeConfig& rope, int64_t length);
/// The longest sequence whose beginning has the frequencies of any shorter sequence: up to it,
/// sequences may share what they have in common. INT64_MAX when the length does not matter.
int64_t longest_with_shared_rope(const RopeConfig& rope);

}  // namespace mop
