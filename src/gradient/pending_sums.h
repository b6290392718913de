// gradient/pending_sums.h -- sums of scalars that are still being computed: what lies on a device
// is read once for all of them, when they are needed.
#pragma once
#include <ATen/core/Tensor.h>

#include <span>
#include <vector>

namespace mop {

class PendingSum {
 public:
  /// `term`: one float64 number, on any device. Does not wait for it.
  void add(const at::Tensor& term) { terms_.push_back(term); }
  const std::vector<at::Tensor>& terms() const { return terms_; }

 private:
  std::vector<at::Tensor> terms_;
};

/// The value of each sum, its terms added in their order, from 0 on. All terms are on one device;
/// one download.
std::vector<double> read_sums(std::span<const PendingSum> sums);

}  // namespace mop
