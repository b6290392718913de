// tensor/cuda_rows.cu -- matrix products of decoding: one to four rows x_NK times weights that are
// read once. Each block computes one output for all rows, so the grid fills the GPU, and each
// thread issues several weight loads at once, so memory stays busy. The order of summation depends
// on the width only.
//
// Shape letters: N rows, K inputs, O outputs.

constexpr int kRowThreads = 128;
constexpr int kPiecesAtOnce = 4;

// Loads 16 bytes, or one element, without caching.
template <int kCount>
__device__ __forceinline__ uint4 streamed(const Element* from) {
  if constexpr (kCount == 1) {
#ifdef MOP_BFLOAT16
    return make_uint4(*from, 0, 0, 0);
#else
    return make_uint4(__float_as_uint(*from), 0, 0, 0);
#endif
  }
#ifdef __CUDA_ARCH__
  uint4 v;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(v.x), "=r"(v.y), "=r"(v.z), "=r"(v.w)
               : "l"(from));
  return v;
#else
  return *reinterpret_cast<const uint4*>(from);
#endif
}

// This thread's part of kWeights weight rows times kRows rows of x.
template <int kWeights, int kRows, int kCount>
__device__ __forceinline__ void add_products(const Element* const (&weight)[kWeights],
                                             const Element* x, long long width,
                                             float (&sums)[kWeights][kRows]) {
  constexpr int kPieces = kPiecesAtOnce / kWeights;
  constexpr long long kStep = kRowThreads * kCount;
  for (long long k = threadIdx.x * kCount; k < width; k += kPieces * kStep) {
    uint4 pieces[kPieces][kWeights];
    MOP_UNROLL
    for (int p = 0; p < kPieces; ++p) {
      MOP_UNROLL
      for (int i = 0; i < kWeights; ++i) {
        if (k + p * kStep < width) pieces[p][i] = streamed<kCount>(weight[i] + k + p * kStep);
      }
    }
    MOP_UNROLL
    for (int p = 0; p < kPieces; ++p) {
      if (k + p * kStep >= width) break;
      float w[kWeights][kVector];
      MOP_UNROLL
      for (int i = 0; i < kWeights; ++i) unpack(pieces[p][i], w[i]);
      MOP_UNROLL
      for (int n = 0; n < kRows; ++n) {
        float v[kCount];
        load(x + n * width + k + p * kStep, v);
        MOP_UNROLL
        for (int i = 0; i < kWeights; ++i) {
          MOP_UNROLL
          for (int j = 0; j < kCount; ++j) sums[i][n] = fmaf(w[i][j], v[j], sums[i][n]);
        }
      }
    }
  }
}

// Sums over the block; the result for row n is valid in thread n.
template <int kWeights, int kRows>
__device__ __forceinline__ void dot_rows(const Element* const (&weight)[kWeights], const Element* x,
                                         long long width, float (&result)[kWeights]) {
  constexpr int kWarps = kRowThreads / kWarpThreads;
  __shared__ float parts[kWeights][kRows][kWarps];
  float sums[kWeights][kRows] = {};
  bool whole = vectors(width, x);
  MOP_UNROLL
  for (int i = 0; i < kWeights; ++i) whole = whole && vectors(0, weight[i]);
  if (whole) {
    add_products<kWeights, kRows, kVector>(weight, x, width, sums);
  } else {
    add_products<kWeights, kRows, 1>(weight, x, width, sums);
  }
  MOP_UNROLL
  for (int i = 0; i < kWeights; ++i) {
    MOP_UNROLL
    for (int n = 0; n < kRows; ++n) {
      const float sum = warp_sum(sums[i][n]);
      if (threadIdx.x % kWarpThreads == 0) parts[i][n][threadIdx.x / kWarpThreads] = sum;
    }
  }
  __syncthreads();
  if (threadIdx.x >= kRows) return;
  MOP_UNROLL
  for (int i = 0; i < kWeights; ++i) {
    result[i] = 0;
    MOP_UNROLL
    for (int w = 0; w < kWarps; ++w) result[i] += parts[i][threadIdx.x][w];
  }
}

// One weight and its output: out_NO, plus residual_NO unless null, which may be out_NO. bias_O may
// be null.
struct Factor {
  const Element *weight, *bias, *residual;
  Element* out;
  long long outputs;
};
struct Factors {
  Factor factor[3];
};

__device__ __forceinline__ float with_bias(float sum, const Factor& factor, long long output) {
  if (factor.bias != nullptr) sum += widened(factor.bias[output]);
  return widened(rounded(sum));
}

template <int kRows>
__device__ __forceinline__ void product(const Factors& all, const Element* x, long long width) {
  long long output = blockIdx.x;
  Factor factor = all.factor[0];
  if (output >= factor.outputs) {
    output -= factor.outputs;
    factor = all.factor[1];
    if (output >= factor.outputs) {
      output -= factor.outputs;
      factor = all.factor[2];
    }
  }
  const Element* const weight[1] = {factor.weight + output * width};
  float sum[1];
  dot_rows<1, kRows>(weight, x, width, sum);
  if (threadIdx.x >= kRows) return;
  const long long at = threadIdx.x * factor.outputs + output;
  float value = with_bias(sum[0], factor, output);
  if (factor.residual != nullptr) value += widened(factor.residual[at]);
  factor.out[at] = rounded(value);
}

// silu(gate) * up, written to gate's `out`.
template <int kRows>
__device__ __forceinline__ void gate_up(const Factor& gate, const Factor& up, const Element* x,
                                        long long width) {
  const long long output = blockIdx.x;
  const Element* const weight[2] = {gate.weight + output * width, up.weight + output * width};
  float sum[2];
  dot_rows<2, kRows>(weight, x, width, sum);
  if (threadIdx.x >= kRows) return;
  const float g = with_bias(sum[0], gate, output), u = with_bias(sum[1], up, output);
  gate.out[threadIdx.x * gate.outputs + output] = rounded(g / (1.f + exponential(-g)) * u);
}

#define MOP_FOR_ROWS(N)                                                             \
  MOP_KERNEL row_products_##N(Factors factors, const Element* x, long long width) { \
    product<N>(factors, x, width);                                                  \
  }                                                                                 \
  MOP_KERNEL gate_up_##N(Factors factors, const Element* x, long long width) {      \
    gate_up<N>(factors.factor[0], factors.factor[1], x, width);                     \
  }
MOP_FOR_ROWS(1)
MOP_FOR_ROWS(2)
MOP_FOR_ROWS(3)
MOP_FOR_ROWS(4)
#undef MOP_FOR_ROWS
