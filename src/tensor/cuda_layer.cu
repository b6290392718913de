// tensor/cuda_layer.cu -- element-wise steps of a decoder layer, with the arithmetic of
// model/kernels.cc.
//
// Shape letters: N tokens, R rows, C columns, H heads, E head size, I neurons.

template <bool kBlock, int kCount>
__device__ void norm_row(const Element* x, const Element* weight, Element* out, long long columns,
                         float eps, const Team& team) {
  const long long first = static_cast<long long>(team.thread) * kCount;
  const long long step = static_cast<long long>(team.threads) * kCount;
  float v[kCount], w[kCount];
  float squares = 0;
  for (long long c = first; c < columns; c += step) {
    load(x + c, v);
    MOP_UNROLL
    for (int i = 0; i < kCount; ++i) squares += v[i] * v[i];
  }
  squares = team_sum<kBlock>(squares);
  const float scale = 1.f / sqrtf(squares / static_cast<float>(columns) + eps);
  for (long long c = first; c < columns; c += step) {
    load(x + c, v);
    load(weight + c, w);
    MOP_UNROLL
    for (int i = 0; i < kCount; ++i) v[i] = w[i] * widened(rounded(v[i] * scale));
    store(v, out + c);
  }
}

template <bool kBlock>
__device__ __forceinline__ void norm(const Element* x, const Element* weight, Element* out,
                                     long long rows, long long columns, float eps) {
  const Team at = team<kBlock>();
  if (at.row >= rows) return;
  const long long offset = at.row * columns;
  if (vectors(columns, x, weight, out)) {
    norm_row<kBlock, kVector>(x + offset, weight, out + offset, columns, eps, at);
  } else {
    norm_row<kBlock, 1>(x + offset, weight, out + offset, columns, eps, at);
  }
}

// out_RC may be x_RC. One block or one warp per row.
MOP_KERNEL norm_blocks(const Element* x, const Element* weight, Element* out, long long rows,
                       long long columns, float eps) {
  norm<true>(x, weight, out, rows, columns, eps);
}
MOP_KERNEL norm_warps(const Element* x, const Element* weight, Element* out, long long rows,
                      long long columns, float eps) {
  norm<false>(x, weight, out, rows, columns, eps);
}

// One tensor of heads: strides in elements.
struct Heads {
  Element* x;
  long long heads, token_stride, head_stride;
};

template <int kCount>
__device__ __forceinline__ void turn_pairs(Element* x, const Element* cos, const Element* sin,
                                           long long half) {
  float a[kCount], b[kCount], c[kCount], s[kCount], low[kCount], high[kCount];
  load(x, a);
  load(x + half, b);
  load(cos, c);
  load(sin, s);
  MOP_UNROLL
  for (int i = 0; i < kCount; ++i) {
    low[i] = a[i] * c[i] - b[i] * s[i];
    high[i] = b[i] * c[i] + a[i] * s[i];
  }
  store(low, x);
  store(high, x + half);
}

// One block rotates all heads of a token, of both tensors, with the token's rows of cos and sin.
template <int kCount>
__device__ void turn_token(const Heads& first, const Heads& second, const Element* cos,
                           const Element* sin, int half) {
  const int chunks = half / kCount;
  const int items = static_cast<int>(first.heads + second.heads) * chunks;
  for (int item = threadIdx.x; item < items; item += blockDim.x) {
    const int head = item / chunks, i = item % chunks * kCount;
    const bool in_first = head < first.heads;
    const Heads& heads = in_first ? first : second;
    const long long h = in_first ? head : head - first.heads;
    turn_pairs<kCount>(heads.x + blockIdx.x * heads.token_stride + h * heads.head_stride + i,
                       cos + i, sin + i, half);
  }
}

MOP_KERNEL rope_tokens(Heads first, Heads second, const Element* cos, const Element* sin,
                       long long cos_stride, long long sin_stride, int size) {
  const int half = size / 2;
  const Element* cos_E = cos + blockIdx.x * cos_stride;
  const Element* sin_E = sin + blockIdx.x * sin_stride;
  const bool whole = vectors(half, first.x, second.x, cos, sin) && vectors(cos_stride) &&
                     vectors(sin_stride) && vectors(first.token_stride) &&
                     vectors(first.head_stride) && vectors(second.token_stride) &&
                     vectors(second.head_stride);
  if (whole) {
    turn_token<kVector>(first, second, cos_E, sin_E, half);
  } else {
    turn_token<1>(first, second, cos_E, sin_E, half);
  }
}

template <int kCount>
__device__ __forceinline__ void silu_mul_at(Element* gate, const Element* up, long long at) {
  float g[kCount], u[kCount];
  load(gate + at, g);
  load(up + at, u);
  MOP_UNROLL
  for (int i = 0; i < kCount; ++i) g[i] = g[i] / (1.f + exponential(-g[i])) * u[i];
  store(g, gate + at);
}

// Each thread processes kVector elements.
MOP_KERNEL silu_mul(Element* gate, const Element* up, long long count) {
  const long long at = (blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x) * kVector;
  if (at + kVector <= count && vectors(0, gate, up)) {
    silu_mul_at<kVector>(gate, up, at);
  } else {
    for (long long i = at; i < count && i < at + kVector; ++i) silu_mul_at<1>(gate, up, i);
  }
}
