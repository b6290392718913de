// eval/device_scores.h -- token scores computed on a device: one upload of the predictions per
// group, one download of all figures. Accumulates in float32.
//
// Shape letters as in token_scores.h; C candidates.
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <span>
#include <vector>

#include "eval/token_scores.h"

namespace mop {

/// Rows of hidden states and the target of each, on the device: one upload.
struct DevicePredictions {
  DevicePredictions() = default;
  /// Both int64 on the CPU. Throws Error(kBadInput) for a target outside of `vocab`.
  DevicePredictions(const at::Tensor& rows_R, const at::Tensor& targets_R, int64_t vocab,
                    c10::Device device);
  bool defined() const { return rows_R.defined(); }
  int64_t size() const { return rows_R.size(0); }

  at::Tensor rows_R, targets_R;  ///< int64, on the device
  at::Tensor host_rows_R;        ///< int64, CPU
};

/// Device versions of the functions in token_scores.h, with the same results and errors. Logits are
/// computed in pieces of bounded memory.
TokenScores token_scores(const LastHidden& model, const DevicePredictions& predictions);
TokenComparison compare_token_scores(const LastHidden& dense, const LastHidden& model,
                                     const DevicePredictions& predictions);
std::vector<Validation> compare_tokens(const LastHidden& dense,
                                       std::span<const LastHidden> candidates,
                                       const DevicePredictions& predictions);

}  // namespace mop
