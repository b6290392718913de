// model/gradient_kernels.cc
#include "model/gradient_kernels.h"

#include <ATen/ATen.h>

#include <cmath>

#include "base/error.h"
#include "base/random.h"
#include "model/kernel_parts.h"
#include "tensor/clones.h"
#include "tensor/cuda_kernels.h"
#include "tensor/upload.h"

namespace mop {
namespace {

// With r = 1 / sqrt(mean x^2 + eps) and g = d_out * weight: d_x = r * (g - x * r^2 * mean(g * x)).
template <typename T>
MOP_INLINE void norm_gradient_row(const T* d_out, const T* x, const T* weight, T* d_x,
                                  int64_t columns, float eps) {
  float squares = 0, products = 0;
#pragma omp simd reduction(+ : squares, products)
  for (int64_t i = 0; i < columns; ++i) {
    const float v = to_float(x[i]);
    squares += v * v;
    products += to_float(d_out[i]) * to_float(weight[i]) * v;
  }
  const auto count = static_cast<float>(columns);
  const float scale = 1.f / std::sqrt(squares / count + eps);
  const float pull = scale * scale * products / count;
#pragma omp simd
  for (int64_t i = 0; i < columns; ++i) {
    const float g = to_float(d_out[i]) * to_float(weight[i]);
    d_x[i] = from_float<T>(scale * (g - to_float(x[i]) * pull));
  }
}

template <typename T>
MOP_INLINE void norm_gradient_run(const T* d_out, const T* x, const T* weight, T* d_x, int64_t rows,
                                  int64_t columns, float eps) {
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t at = r * columns;
    norm_gradient_row(d_out + at, x + at, weight, d_x + at, columns, eps);
  }
}

// silu(g) * u with s = sigmoid(g): d_gate = d * u * s * (1 + g * (1 - s)), d_up = d * g * s.
template <typename T>
MOP_INLINE void silu_gradient_run(const T* d_out, const T* gate, const T* up, T* d_gate, T* d_up,
                                  int64_t count) {
#pragma omp simd
  for (int64_t i = 0; i < count; ++i) {
    const float d = to_float(d_out[i]), g = to_float(gate[i]);
    const float s = 1.f / (1.f + exponential<T>(-g));
    d_gate[i] = from_float<T>(d * to_float(up[i]) * s * (1.f + g * (1.f - s)));
    d_up[i] = from_float<T>(d * g * s);
  }
}

// A hash that mixes all bits of a counter (Wellons' lowbias32).
MOP_INLINE uint32_t mixed(uint32_t x) {
  x ^= x >> 16;
  x *= 0x7feb352du;
  x ^= x >> 15;
  x *= 0x846ca68bu;
  return x ^ (x >> 16);
}

// Dropout of one row.
struct Drop {
  uint32_t low, high;  ///< halves of the row's seed
  uint32_t threshold;  ///< entries whose hash is below it are zeroed
  float scale;
};

template <typename T>
MOP_INLINE void drop_run(const T* x, T* out, int64_t columns, const Drop& drop) {
  const uint32_t low = drop.low, high = drop.high, threshold = drop.threshold;
  const float scale = drop.scale;
  const auto size = static_cast<int32_t>(columns);  // so that the loop is vectorised
#pragma omp simd
  for (int32_t i = 0; i < size; ++i) {
    const uint32_t hash = mixed(mixed(static_cast<uint32_t>(i) + low) ^ high);
    out[i] = from_float<T>(hash < threshold ? 0.f : to_float(x[i]) * scale);
  }
}

MOP_CLONES void norm_gradients(const float* d_out, const float* x, const float* weight, float* d_x,
                               int64_t rows, int64_t columns, float eps) {
  norm_gradient_run(d_out, x, weight, d_x, rows, columns, eps);
}
MOP_CLONES void norm_gradients(const uint16_t* d_out, const uint16_t* x, const uint16_t* weight,
                               uint16_t* d_x, int64_t rows, int64_t columns, float eps) {
  norm_gradient_run(d_out, x, weight, d_x, rows, columns, eps);
}
MOP_CLONES void silu_gradients(const float* d_out, const float* gate, const float* up,
                               float* d_gate, float* d_up, int64_t count) {
  silu_gradient_run(d_out, gate, up, d_gate, d_up, count);
}
MOP_CLONES void silu_gradients(const uint16_t* d_out, const uint16_t* gate, const uint16_t* up,
                               uint16_t* d_gate, uint16_t* d_up, int64_t count) {
  silu_gradient_run(d_out, gate, up, d_gate, d_up, count);
}
MOP_CLONES void drop_row(const float* x, float* out, int64_t columns, const Drop& drop) {
  drop_run(x, out, columns, drop);
}
MOP_CLONES void drop_row(const uint16_t* x, uint16_t* out, int64_t columns, const Drop& drop) {
  drop_run(x, out, columns, drop);
}

// Random(seed, key).bits() and `mixed` as tensor operations, for any device. Bits are held in
// int64; LibTorch has no logical right shift.
at::Tensor shifted(const at::Tensor& bits, int64_t places) {
  return at::bitwise_right_shift(bits, places).bitwise_and_((int64_t{1} << (64 - places)) - 1);
}
at::Tensor row_bits(uint64_t seed, const at::Tensor& keys_R) {
  const auto number = [](uint64_t bits) { return static_cast<int64_t>(bits); };
  at::Tensor z_R = (keys_R * number(0xda942042e4dd58b5ull)).bitwise_xor_(number(seed));
  z_R += number(2 * 0x9e3779b97f4a7c15ull);
  z_R = z_R.bitwise_xor(shifted(z_R, 30)) * number(0xbf58476d1ce4e5b9ull);
  z_R = z_R.bitwise_xor(shifted(z_R, 27)) * number(0x94d049bb133111ebull);
  return z_R.bitwise_xor_(shifted(z_R, 31));
}
constexpr int64_t kLow = 0xffffffff;
void mix_(at::Tensor& x) {  // of 32 bits in int64
  x.bitwise_xor_(at::bitwise_right_shift(x, 16)).mul_(0x7feb352d).bitwise_and_(kLow);
  x.bitwise_xor_(at::bitwise_right_shift(x, 15)).mul_(0x846ca68b).bitwise_and_(kLow);
  x.bitwise_xor_(at::bitwise_right_shift(x, 16));
}

// `dropped` as tensor operations on x's device, some rows at a time, since hashes need 8 bytes per
// entry.
at::Tensor plain_dropped(const at::Tensor& x_RC, double p, uint64_t seed,
                         const at::Tensor& keys_R) {
  constexpr int64_t kMostAtOnce = int64_t{1} << 25;
  const int64_t columns = x_RC.size(-1), rows = keys_R.numel();
  const at::Tensor input_RC = x_RC.reshape({rows, columns});
  const at::Tensor bits_R1 = row_bits(seed, keys_R).view({rows, 1});
  const at::Tensor column_1C = at::arange(columns, keys_R.options()).unsqueeze(0);
  const int64_t step = std::max<int64_t>(1, kMostAtOnce / std::max<int64_t>(1, columns));
  at::Tensor out_RC = at::empty_like(input_RC);
  for (int64_t first = 0; first < rows; first += step) {
    const int64_t count = std::min(step, rows - first);
    const at::Tensor bits = bits_R1.narrow(0, first, count);
    at::Tensor hash = (column_1C + bits.bitwise_and(kLow)).bitwise_and_(kLow);
    mix_(hash);
    hash.bitwise_xor_(shifted(bits, 32));
    mix_(hash);
    out_RC.narrow(0, first, count)
        .copy_(input_RC.narrow(0, first, count).mul(1 / (1 - p)))
        .masked_fill_(hash.lt(static_cast<int64_t>(p * 4294967296.)), 0);
  }
  return out_RC.view(x_RC.sizes());
}

// x / rms(x), float32.
at::Tensor normalised(const at::Tensor& x_RC, double eps) {
  const at::Tensor wide_RC = x_RC.to(at::kFloat);
  return wide_RC * at::rsqrt(wide_RC.square().mean(-1, /*keepdim=*/true) + eps);
}

}  // namespace

at::Tensor rms_norm_backward(const at::Tensor& d_out_RC, const at::Tensor& x_RC,
                             const at::Tensor& weight_C, double eps) {
  const at::Tensor d_RC = d_out_RC.contiguous();
  if (!fused({&x_RC, &weight_C, &d_RC})) {
    at::Tensor d_x_RC = at::empty_like(x_RC);
    if (cuda::rms_norm_gradient(d_RC, x_RC, weight_C, eps, d_x_RC)) return d_x_RC;
    const at::Tensor wide_RC = x_RC.to(at::kFloat);
    const at::Tensor scale_R1 = at::rsqrt(wide_RC.square().mean(-1, true) + eps);
    const at::Tensor g_RC = d_RC.to(at::kFloat) * weight_C.to(at::kFloat);
    const at::Tensor pull_R1 = scale_R1.square() * (g_RC * wide_RC).mean(-1, true);
    return (scale_R1 * (g_RC - wide_RC * pull_R1)).to(x_RC.scalar_type());
  }
  at::Tensor d_x_RC = at::empty_like(x_RC);
  const int64_t columns = x_RC.size(-1), rows = x_RC.numel() / columns;
  with_type(x_RC, [&](auto type) {
    using T = decltype(type);
    over_rows(rows, columns, [&](int64_t first, int64_t count) {
      const int64_t offset = first * columns;
      norm_gradients(raw<T>(d_RC) + offset, raw<T>(x_RC) + offset, raw<T>(weight_C),
                     raw<T>(d_x_RC) + offset, count, columns, static_cast<float>(eps));
    });
  });
  return d_x_RC;
}

at::Tensor rms_norm_weight_backward(const at::Tensor& d_out_RC, const at::Tensor& x_RC,
                                    const at::Tensor& weight_C, double eps) {
  const int64_t columns = x_RC.size(-1);
  return (d_out_RC.to(at::kFloat) * normalised(x_RC, eps))
      .reshape({-1, columns})
      .sum(0)
      .to(weight_C.scalar_type());
}

std::pair<at::Tensor, at::Tensor> silu_mul_backward(const at::Tensor& d_out_NI,
                                                    const at::Tensor& gate_NI,
                                                    const at::Tensor& up_NI) {
  const at::Tensor d_NI = d_out_NI.contiguous();
  if (!fused({&gate_NI, &up_NI, &d_NI})) {
    at::Tensor d_gate_NI = at::empty_like(gate_NI), d_up_NI = at::empty_like(up_NI);
    if (cuda::silu_mul_gradient(d_NI, gate_NI, up_NI, d_gate_NI, d_up_NI)) {
      return {d_gate_NI, d_up_NI};
    }
    const at::Tensor g = gate_NI.to(at::kFloat), d = d_NI.to(at::kFloat), s = at::sigmoid(g);
    return {(d * up_NI.to(at::kFloat) * s * (1 + g * (1 - s))).to(gate_NI.scalar_type()),
            (d * g * s).to(up_NI.scalar_type())};
  }
  at::Tensor d_gate_NI = at::empty_like(gate_NI), d_up_NI = at::empty_like(up_NI);
  with_type(gate_NI, [&](auto type) {
    using T = decltype(type);
    over_rows(gate_NI.numel(), 1, [&](int64_t first, int64_t count) {
      silu_gradients(raw<T>(d_NI) + first, raw<T>(gate_NI) + first, raw<T>(up_NI) + first,
                     raw<T>(d_gate_NI) + first, raw<T>(d_up_NI) + first, count);
    });
  });
  return {d_gate_NI, d_up_NI};
}

at::Tensor dropped(const at::Tensor& x_RC, double p, uint64_t seed, const at::Tensor& keys_R) {
  const at::Tensor input_RC = x_RC.contiguous();
  const int64_t columns = input_RC.size(-1), rows = input_RC.numel() / columns;
  if (!keys_R.defined() || keys_R.numel() != rows) {
    throw internal_error("dropout needs a key for each of {} rows", rows);
  }
  // The mask is computed on x's device; at most the keys are uploaded.
  if (!fused({&input_RC})) {
    const at::Tensor keys = upload(keys_R.contiguous(), input_RC.device());
    at::Tensor out_RC = at::empty_like(input_RC);
    if (cuda::drop(input_RC, p, seed, keys, out_RC)) return out_RC;
    return plain_dropped(input_RC, p, seed, keys);
  }
  const auto threshold = static_cast<uint32_t>(p * 4294967296.);
  const auto scale = static_cast<float>(1 / (1 - p));
  const at::Tensor keys = keys_R.to(at::kCPU).contiguous();
  at::Tensor out_RC = at::empty_like(input_RC);
  with_type(input_RC, [&](auto type) {
    using T = decltype(type);
    over_rows(rows, columns, [&](int64_t first, int64_t count) {
      for (int64_t r = first; r < first + count; ++r) {
        const auto key = static_cast<uint64_t>(keys.data_ptr<int64_t>()[r]);
        const uint64_t bits = Random(seed, key).bits();
        const Drop drop{static_cast<uint32_t>(bits), static_cast<uint32_t>(bits >> 32), threshold,
                        scale};
        drop_row(raw<T>(input_RC) + r * columns, raw<T>(out_RC) + r * columns, columns, drop);
      }
    });
  });
  return out_RC;
}

}  // namespace mop
