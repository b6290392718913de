// stats/head_output.cc
#include "stats/head_output.h"

#include <ATen/ATen.h>

#include "stats/abs_sums.h"
#include "stats/amx_head_l1.h"

namespace mop {
namespace {

constexpr int64_t kBufferBytes = 8 << 20;  // of partial products

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
  const int64_t tokens = heads_NQ.size(0), E = heads_NQ.size(1) / heads, D = output_DQ.size(0);
  const int64_t row_bytes = D * static_cast<int64_t>(heads_NQ.element_size());
  const int64_t chunk =
      std::clamp<int64_t>(kBufferBytes / row_bytes, 1, std::max<int64_t>(tokens, 1));
  at::Tensor part_ND = at::empty({chunk, D}, heads_NQ.options());
  at::Tensor l1_NH = at::empty({tokens, heads}, heads_NQ.options().dtype(at::kFloat));
  for (int64_t first = 0; first < tokens; first += chunk) {
    const int64_t rows = std::min(chunk, tokens - first);
    at::Tensor part = part_ND.narrow(0, 0, rows);
    at::Tensor l1 = l1_NH.narrow(0, first, rows);
    for (int64_t h = 0; h < heads; ++h) {
      at::mm_out(part, heads_NQ.narrow(0, first, rows).narrow(1, h * E, E),
                 output_DQ.narrow(1, h * E, E).t());
      row_l1_into(part, l1, h);
    }
  }
  return l1_NH;
}

at::Tensor head_output_l1(const at::Tensor& heads_NQ, const at::Tensor& output_DQ, int64_t heads) {
  if (fits_tiles(heads_NQ, output_DQ, heads)) return by_tiles(heads_NQ, output_DQ, heads);
  return head_output_l1_by_products(heads_NQ, output_DQ, heads);
}

at::Tensor head_output_l1_on_device(const at::Tensor& heads_NQ, const at::Tensor& output_DQ,
                                    int64_t heads, int64_t buffer_bytes) {
  const int64_t tokens = heads_NQ.size(0), E = heads_NQ.size(1) / heads, D = output_DQ.size(0);
  const int64_t token_bytes = heads * D * static_cast<int64_t>(heads_NQ.element_size());
  const int64_t chunk =
      std::clamp<int64_t>(buffer_bytes / token_bytes, 1, std::max<int64_t>(tokens, 1));
  const at::Tensor heads_HNE = heads_NQ.view({tokens, heads, E}).transpose(0, 1);
  const at::Tensor output_HED = output_DQ.view({D, heads, E}).permute({1, 2, 0});
  const at::Tensor buffer = at::empty({heads * chunk * D}, heads_NQ.options());
  const at::Tensor l1_HN = at::empty({heads, tokens}, heads_NQ.options().dtype(at::kFloat));
  for (int64_t first = 0; first < tokens; first += chunk) {
    const int64_t rows = std::min(chunk, tokens - first);
    at::Tensor parts_HRD = buffer.narrow(0, 0, heads * rows * D).view({heads, rows, D});
    at::bmm_out(parts_HRD, heads_HNE.narrow(1, first, rows), output_HED);
    l1_HN.narrow(1, first, rows).copy_(at::linalg_vector_norm(parts_HRD, 1, 2, false, at::kFloat));
  }
  return l1_HN;
}

}  // namespace mop
