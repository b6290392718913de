// stats/head_output.cc
#include "stats/head_output.h"

#include <ATen/ATen.h>

#include "stats/abs_sums.h"
#include "stats/amx_head_l1.h"

namespace mop {
namespace {

constexpr int64_t kBufferBytes = 8 << 20;         // of partial products on the CPU
constexpr int64_t kDeviceBufferBytes = 64 << 20;  // on a GPU, where launches cost more than memory

bool rows_are_contiguous(const at::Tensor& matrix) { return matrix.stride(1) == 1; }

bool fits_tiles(const at::Tensor& heads_NQ, const at::Tensor& output_DQ, int64_t heads) {
  return heads_NQ.is_cpu() && heads_NQ.scalar_type() == at::kBFloat16 &&
         output_DQ.scalar_type() == at::kBFloat16 && rows_are_contiguous(heads_NQ) &&
         rows_are_contiguous(output_DQ) && amx_head_l1_fits(heads_NQ.size(1) / heads);
}

const uint16_t* bits(const at::Tensor& bfloat16) {
  return reinterpret_cast<const uint16_t*>(bfloat16.const_data_ptr<at::BFloat16>());
}

at::Tensor by_tiles(const at::Tensor& heads_NQ, const at::Tensor& output_DQ, int64_t heads) {
  at::Tensor l1_NH = at::empty({heads_NQ.size(0), heads}, at::kFloat);
  amx_head_l1({.heads_NQ = bits(heads_NQ),
               .output_DQ = bits(output_DQ),
               .heads_stride = heads_NQ.stride(0),
               .output_stride = output_DQ.stride(0),
               .tokens = heads_NQ.size(0),
               .hidden = output_DQ.size(0),
               .heads = heads,
               .head_dim = heads_NQ.size(1) / heads,
               .l1_NH = l1_NH.data_ptr<float>()});
  return l1_NH;
}

}  // namespace

at::Tensor head_output_l1_by_products(const at::Tensor& heads_NQ, const at::Tensor& output_DQ,
                                      int64_t heads) {
  const bool on_cpu = heads_NQ.is_cpu();
  const int64_t tokens = heads_NQ.size(0), E = heads_NQ.size(1) / heads, D = output_DQ.size(0);
  const int64_t row_bytes = D * static_cast<int64_t>(heads_NQ.element_size());
  const int64_t chunk = std::clamp<int64_t>(
      (on_cpu ? kBufferBytes : kDeviceBufferBytes) / row_bytes, 1, std::max<int64_t>(tokens, 1));
  at::Tensor part_ND = at::empty({chunk, D}, heads_NQ.options());
  at::Tensor l1_NH = at::empty({tokens, heads}, heads_NQ.options().dtype(at::kFloat));
  for (int64_t first = 0; first < tokens; first += chunk) {
    const int64_t rows = std::min(chunk, tokens - first);
    at::Tensor part = part_ND.narrow(0, 0, rows);
    at::Tensor l1 = l1_NH.narrow(0, first, rows);
    for (int64_t h = 0; h < heads; ++h) {
      at::mm_out(part, heads_NQ.narrow(0, first, rows).narrow(1, h * E, E),
                 output_DQ.narrow(1, h * E, E).t());
      if (on_cpu) {
        row_l1_into(part, l1, h);
      } else {
        l1.select(1, h).copy_(
            at::linalg_vector_norm(part, 1, at::IntArrayRef{1}, false, at::kFloat));
      }
    }
  }
  return l1_NH.cpu();
}

at::Tensor head_output_l1(const at::Tensor& heads_NQ, const at::Tensor& output_DQ, int64_t heads) {
  if (fits_tiles(heads_NQ, output_DQ, heads)) return by_tiles(heads_NQ, output_DQ, heads);
  return head_output_l1_by_products(heads_NQ, output_DQ, heads);
}

}  // namespace mop
