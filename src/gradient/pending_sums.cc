// gradient/pending_sums.cc
#include "gradient/pending_sums.h"

#include <ATen/ATen.h>

namespace mop {

std::vector<double> read_sums(std::span<const PendingSum> sums) {
  std::vector<at::Tensor> terms;
  for (const PendingSum& sum : sums) {
    for (const at::Tensor& term : sum.terms()) terms.push_back(term.view({1}));
  }
  std::vector<double> values(sums.size(), 0);
  if (terms.empty()) return values;
  const at::Tensor read = at::cat(terms).cpu();
  const double* next = read.const_data_ptr<double>();
  for (size_t s = 0; s < sums.size(); ++s) {
    for (size_t i = 0; i < sums[s].terms().size(); ++i) values[s] += *next++;
  }
  return values;
}

}  // namespace mop
