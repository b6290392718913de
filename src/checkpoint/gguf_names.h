// checkpoint/gguf_names.h -- what llama.cpp calls the architectures and tensors of our families:
// the one table that the reader and the writer of GGUF files share.
#pragma once
#include <ATen/core/Tensor.h>

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mop {

struct GgufArchitecture {
  std::string_view name;        ///< general.architecture, and the prefix of its keys
  std::string_view model_type;  ///< the Hugging Face family that computes the same
  /// Rows of q and k are stored so that a rotated pair is neighbours, not half a head apart.
  bool interleaved;
  bool per_layer;  ///< heads, KV heads and MLP widths may differ by layer
};
std::span<const GgufArchitecture> gguf_architectures();

/// Which heads order a tensor's rows.
enum class HeadRows { kNone, kQuery, kKey };

struct GgufTensorName {
  std::string_view hf;    ///< below "model.layers.{i}." or whole
  std::string_view gguf;  ///< below "blk.{i}." or whole
  HeadRows rows = HeadRows::kNone;
};

/// A name of one of the two formats taken apart: the row of the table and the layer (-1: none).
struct GgufPlace {
  const GgufTensorName* row;
  int64_t layer;
  std::string hf_name() const;
  std::string gguf_name() const;
};
std::optional<GgufPlace> place_of_hf(std::string_view name);
std::optional<GgufPlace> place_of_gguf(std::string_view name);

/// Factors by which llama3 rope scaling divides each frequency, float32 [head_dim / 2].
inline constexpr std::string_view kRopeFactors = "rope_freqs.weight";

/// Rows (or elements of a bias) of `heads` heads from halves to neighbouring pairs, and back.
at::Tensor interleave_heads(const at::Tensor& tensor, int64_t heads);
at::Tensor separate_heads(const at::Tensor& tensor, int64_t heads);

}  // namespace mop
