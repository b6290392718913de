// gradient/pending_sums.h -- sums of scalars on a device, downloaded together when they are needed.
#pragma once
#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

namespace mop {

class PendingSum {
 public:
  /// `term`: one float64 number, on any device. Does not synchronise.
  void add(const at::Tensor& term) { terms_.push_back(term); }
  const std::vector<at::Tensor>& terms() const { return terms_; }

 private:
  std::vector<at::Tensor> terms_;
};

/// Returns the value of each sum; terms are added in order. All terms must be on one device; makes
/// one download.
std::vector<double> read_sums(std::span<const PendingSum> sums);

}  // namespace mop
