// stats/head_output.cc
#include "stats/head_output.h"

#include <ATen/ATen.h>

#include "stats/abs_sums.h"

namespace mop {
namespace {

constexpr int64_t kBufferBytes = 8 << 20;         // of partial products on the CPU
constexpr int64_t kDeviceBufferBytes = 64 << 20;  // on a GPU, where launches cost more than memory

at::Tensor l1_on_device(const at::Tensor& part_ND) {
  return at::linalg_vector_norm(part_ND, 1, at::IntArrayRef{1}, false, at::kFloat);
}

}  // namespace

at::Tensor head_output_l1(const at::Tensor& heads_NQ, const at::Tensor& output_DQ, int64_t heads) {
  const bool on_cpu = heads_NQ.is_cpu();
  const int64_t tokens = heads_NQ.size(0), head_dim = heads_NQ.size(1) / heads,
                D = output_DQ.size(0);
  const auto row_bytes = D * static_cast<int64_t>(heads_NQ.element_size());
  const int64_t chunk = std::clamp<int64_t>(
      (on_cpu ? kBufferBytes : kDeviceBufferBytes) / row_bytes, 1, std::max<int64_t>(tokens, 1));
  at::Tensor part_ND = at::empty({chunk, D}, heads_NQ.options());
  at::Tensor l1_NH = at::empty({tokens, heads}, heads_NQ.options().dtype(at::kFloat));
  for (int64_t first = 0; first < tokens; first += chunk) {
    const int64_t rows = std::min(chunk, tokens - first);
    at::Tensor part = part_ND.narrow(0, 0, rows);
    at::Tensor l1 = l1_NH.narrow(0, first, rows);
    for (int64_t h = 0; h < heads; ++h) {
      at::mm_out(part, heads_NQ.narrow(0, first, rows).narrow(1, h * head_dim, head_dim),
                 output_DQ.narrow(1, h * head_dim, head_dim).t());
      if (on_cpu) {
        row_l1_into(part, l1, h);
      } else {
        l1.select(1, h).copy_(l1_on_device(part));
      }
    }
  }
  return l1_NH.cpu();
}

}  // namespace mop
