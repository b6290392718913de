// gradient/pass_memory.h -- how many tokens go through the layers together, and how many layers
// keep their activations: a matter of memory.
#pragma once
#include <cstdint>

#include "model/config.h"
#include "tensor/dtype.h"

namespace mop {

/// Tokens of a piece, where nothing else is said: products are fast from the first on, and gain
/// nothing beyond the second.
inline constexpr int64_t kLeastPieceTokens = 512, kMostPieceTokens = 2048;
/// The same on a device.
inline constexpr int64_t kLeastDevicePiece = 1024, kMostDevicePiece = 16384;

/// Bytes of activations that one token leaves in all layers, counted generously.
int64_t activation_bytes(const ModelConfig& config, DType dtype);

/// Memory of a training pass on a device, in bytes for each token of a piece.
struct DevicePassBytes {
  int64_t kept = 0;     ///< activations of all layers, when none is computed again
  int64_t states = 0;   ///< hidden states between the layers
  int64_t working = 0;  ///< temporaries of one layer forward and backward
};
DevicePassBytes device_pass_bytes(const ModelConfig& config, DType dtype);

/// What a step needs there beside parameters, their gradients and frozen weights, whatever its
/// tokens: the optimizer's means, the head's temporaries, the weights of one layer on their way or
/// the gradients of what is trained.
int64_t device_step_bytes(const ModelConfig& config, DType dtype, int64_t trained_numbers,
                          bool trains_all, bool teacher);

/// Memory that a pass may use.
struct PassRoom {
  int64_t bytes = 0;
  bool on_device = false;
  /// true: for all of DevicePassBytes; false: for activations alone.
  bool for_all = false;
};

/// How many layers, the last ones, keep the activations of a piece of so many tokens.
int64_t layers_that_fit(const ModelConfig& config, DType dtype, int64_t tokens,
                        const PassRoom& room);

/// The largest of 1024, 1536, 2048, 3072, ... 16384 tokens that take at most `bytes`, each of them
/// `bytes_of_token`; 0 when even 1024 take more. There are few sizes, so that about the same memory
/// gives the same pieces and with them the same rounding.
int64_t device_piece_tokens(int64_t bytes, int64_t bytes_of_token);
/// Tokens of a piece on a device: the most whose activations are all kept. Where weights stream,
/// the most that fit when all layers run again, so that weights are read less often.
int64_t device_piece(const ModelConfig& config, DType dtype, const PassRoom& room, bool streams);

}  // namespace mop
