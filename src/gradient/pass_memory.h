// gradient/pass_memory.h -- sizes of a training pass by available memory: tokens per piece, and
// layers that keep their activations.
#pragma once
#include <cstdint>

#include "model/config.h"
#include "tensor/dtype.h"

namespace mop {

/// Default tokens per piece: products are efficient from the first value on and gain nothing beyond
/// the second.
inline constexpr int64_t kLeastPieceTokens = 512, kMostPieceTokens = 2048;
/// The same on a device.
inline constexpr int64_t kLeastDevicePiece = 1024, kMostDevicePiece = 16384;

/// Returns the bytes of activations per token of all layers, an upper estimate.
int64_t activation_bytes(const ModelConfig& config, DType dtype);

/// Memory of a training pass on a device, in bytes per token of a piece.
struct DevicePassBytes {
  int64_t kept = 0;     ///< activations of all layers, without recomputation
  int64_t states = 0;   ///< hidden states between the layers
  int64_t working = 0;  ///< temporaries of one layer, forward and backward
};
DevicePassBytes device_pass_bytes(const ModelConfig& config, DType dtype);

/// Returns the bytes a step needs on the device in addition to parameters, their gradients and
/// frozen weights, independent of its tokens: the optimizer's averages, the head's temporaries, and
/// the weights of one streamed layer or the gradients of what is trained.
int64_t device_step_bytes(const ModelConfig& config, DType dtype, int64_t trained_numbers,
                          bool trains_all, bool teacher);

/// Memory available to a pass.
struct PassRoom {
  int64_t bytes = 0;
  bool on_device = false;
  /// true: `bytes` covers all of DevicePassBytes; false: activations only.
  bool for_all = false;
};

/// Returns how many layers, counted from the last, can keep the activations of a piece with
/// `tokens` tokens.
int64_t layers_that_fit(const ModelConfig& config, DType dtype, int64_t tokens,
                        const PassRoom& room);

/// Returns the largest of 1024, 1536, 2048, 3072, ... 16384 tokens that need at most `bytes`, at
/// `bytes_of_token` each; 0 when 1024 need more. The sizes are few, so that similar amounts of
/// memory give the same pieces and the same rounding.
int64_t device_piece_tokens(int64_t bytes, int64_t bytes_of_token);
/// Returns the tokens of a piece on a device: the most for which all activations are kept. When
/// weights stream: the most that fit when all layers are recomputed, so that weights are read less
/// often.
int64_t device_piece(const ModelConfig& config, DType dtype, const PassRoom& room, bool streams);

}  // namespace mop
