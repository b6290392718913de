// tensor/cuda_gradients.cu -- kernels for training, with the arithmetic of
// model/gradient_kernels.cc.
//
// Shape letters: R rows, C columns, I neurons.

// With r = 1 / sqrt(mean x^2 + eps) and g = d_out * weight: d_x = r * (g - x * r^2 * mean(g * x)).
template <bool kBlock, int kCount>
__device__ void norm_gradient_row(const Element* d_out, const Element* x, const Element* weight,
                                  Element* d_x, long long columns, float eps, const Team& team) {
  const long long first = static_cast<long long>(team.thread) * kCount;
  const long long step = static_cast<long long>(team.threads) * kCount;
  float d[kCount], v[kCount], w[kCount];
  float squares = 0, products = 0;
  for (long long c = first; c < columns; c += step) {
    load(d_out + c, d);
    load(x + c, v);
    load(weight + c, w);
    MOP_UNROLL
    for (int i = 0; i < kCount; ++i) {
      squares += v[i] * v[i];
      products += d[i] * w[i] * v[i];
    }
  }
  squares = team_sum<kBlock>(squares);
  products = team_sum<kBlock>(products);
  const float count = static_cast<float>(columns);
  const float scale = 1.f / sqrtf(squares / count + eps);
  const float pull = scale * scale * products / count;
  for (long long c = first; c < columns; c += step) {
    load(d_out + c, d);
    load(x + c, v);
    load(weight + c, w);
    MOP_UNROLL
    for (int i = 0; i < kCount; ++i) v[i] = scale * (d[i] * w[i] - v[i] * pull);
    store(v, d_x + c);
  }
}

template <bool kBlock>
__device__ __forceinline__ void norm_gradient(const Element* d_out, const Element* x,
                                              const Element* weight, Element* d_x, long long rows,
                                              long long columns, float eps) {
  const Team at = team<kBlock>();
  if (at.row >= rows) return;
  const long long offset = at.row * columns;
  if (vectors(columns, d_out, x, weight, d_x)) {
    norm_gradient_row<kBlock, kVector>(d_out + offset, x + offset, weight, d_x + offset, columns,
                                       eps, at);
  } else {
    norm_gradient_row<kBlock, 1>(d_out + offset, x + offset, weight, d_x + offset, columns, eps,
                                 at);
  }
}

MOP_KERNEL norm_gradient_blocks(const Element* d_out, const Element* x, const Element* weight,
                                Element* d_x, long long rows, long long columns, float eps) {
  norm_gradient<true>(d_out, x, weight, d_x, rows, columns, eps);
}
MOP_KERNEL norm_gradient_warps(const Element* d_out, const Element* x, const Element* weight,
                               Element* d_x, long long rows, long long columns, float eps) {
  norm_gradient<false>(d_out, x, weight, d_x, rows, columns, eps);
}

// silu(g) * u with s = sigmoid(g): d_gate = d * u * s * (1 + g * (1 - s)), d_up = d * g * s.
template <int kCount>
__device__ __forceinline__ void silu_gradient_at(const Element* d_out, const Element* gate,
                                                 const Element* up, Element* d_gate, Element* d_up,
                                                 long long at) {
  float d[kCount], g[kCount], u[kCount];
  load(d_out + at, d);
  load(gate + at, g);
  load(up + at, u);
  MOP_UNROLL
  for (int i = 0; i < kCount; ++i) {
    const float s = 1.f / (1.f + exponential(-g[i]));
    u[i] = d[i] * u[i] * s * (1.f + g[i] * (1.f - s));
    d[i] = d[i] * g[i] * s;
  }
  store(u, d_gate + at);
  store(d, d_up + at);
}

MOP_KERNEL silu_gradient(const Element* d_out, const Element* gate, const Element* up,
                         Element* d_gate, Element* d_up, long long count) {
  const long long at = (blockIdx.x * static_cast<long long>(blockDim.x) + threadIdx.x) * kVector;
  if (at + kVector <= count && vectors(0, d_out, gate, up, d_gate, d_up)) {
    silu_gradient_at<kVector>(d_out, gate, up, d_gate, d_up, at);
  } else {
    for (long long i = at; i < count && i < at + kVector; ++i) {
      silu_gradient_at<1>(d_out, gate, up, d_gate, d_up, i);
    }
  }
}

// Random(seed, key).bits() of base/random.h.
__device__ __forceinline__ unsigned long long row_bits(unsigned long long seed,
                                                       unsigned long long key) {
  unsigned long long z = (seed ^ key * 0xda942042e4dd58b5ull) + 2 * 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

__device__ __forceinline__ unsigned mixed(unsigned x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ (x >> 16);
}

template <int kCount>
__device__ void drop_row(const Element* x, Element* out, int columns, unsigned long long bits,
                         unsigned threshold, float scale) {
  const unsigned low = static_cast<unsigned>(bits), high = static_cast<unsigned>(bits >> 32);
  for (int c = threadIdx.x * kCount; c < columns; c += blockDim.x * kCount) {
    float v[kCount];
    load(x + c, v);
    MOP_UNROLL
    for (int i = 0; i < kCount; ++i) {
      const unsigned hash = mixed(mixed(static_cast<unsigned>(c + i) + low) ^ high);
      v[i] = hash < threshold ? 0.f : v[i] * scale;
    }
    store(v, out + c);
  }
}

// One block per row.
MOP_KERNEL drop_rows(const Element* x, Element* out, const long long* keys, int columns,
                     unsigned long long seed, unsigned threshold, float scale) {
  const long long offset = blockIdx.x * static_cast<long long>(columns);
  const unsigned long long bits = row_bits(seed, static_cast<unsigned long long>(keys[blockIdx.x]));
  if (vectors(columns, x, out)) {
    drop_row<kVector>(x + offset, out + offset, columns, bits, threshold, scale);
  } else {
    drop_row<1>(x + offset, out + offset, columns, bits, threshold, scale);
  }
}
