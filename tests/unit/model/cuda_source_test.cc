// The text of the kernels for GPUs, run on the CPU: it computes what the CPU's kernels do.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "kit/cuda_on_cpu.h"
#include "model/gradient_kernels.h"
#include "model/kernels.h"
#include "tensor/row_product.h"

namespace mop {
namespace {

// The order of the kernels' text matters.
// clang-format off
namespace float_kernels {
#include "tensor/cuda_parts.cu"
#include "tensor/cuda_layer.cu"
#include "tensor/cuda_gradients.cu"
#include "tensor/cuda_rows.cu"
}  // namespace float_kernels
#define MOP_BFLOAT16
namespace bfloat16_kernels {
#include "tensor/cuda_parts.cu"
#include "tensor/cuda_layer.cu"
#include "tensor/cuda_gradients.cu"
#include "tensor/cuda_rows.cu"
}  // namespace bfloat16_kernels
#undef MOP_BFLOAT16
// clang-format on

using testing::cuda_on_cpu::launch;

// A dtype's kernels and the types of their arguments.
#define MOP_KERNEL_SET(Name, kernels, dtype)                                                     \
  struct Name {                                                                                  \
    using Element = kernels::Element;                                                            \
    using Heads = kernels::Heads;                                                                \
    using Factors = kernels::Factors;                                                            \
    static constexpr at::ScalarType kType = dtype;                                               \
    static constexpr int64_t kVector = kernels::kVector;                                         \
    static constexpr auto norm_blocks = kernels::norm_blocks;                                    \
    static constexpr auto norm_warps = kernels::norm_warps;                                      \
    static constexpr auto rope = kernels::rope_tokens;                                           \
    static constexpr auto silu_mul = kernels::silu_mul;                                          \
    static constexpr auto gradient_blocks = kernels::norm_gradient_blocks;                       \
    static constexpr auto gradient_warps = kernels::norm_gradient_warps;                         \
    static constexpr auto silu_gradient = kernels::silu_gradient;                                \
    static constexpr auto drop = kernels::drop_rows;                                             \
    static constexpr auto products = {kernels::row_products_1, kernels::row_products_2,          \
                                      kernels::row_products_3, kernels::row_products_4};         \
    static constexpr auto gate_up = {kernels::gate_up_1, kernels::gate_up_2, kernels::gate_up_3, \
                                     kernels::gate_up_4};                                        \
  }
MOP_KERNEL_SET(FloatSet, float_kernels, at::kFloat);
MOP_KERNEL_SET(Bfloat16Set, bfloat16_kernels, at::kBFloat16);
#undef MOP_KERNEL_SET

template <typename Set>
class CudaSource : public ::testing::Test {
 protected:
  using Element = typename Set::Element;

  CudaSource() { at::manual_seed(7); }

  // At an address that a wide load takes, or (`odd`) one that it does not.
  static at::Tensor random(at::IntArrayRef shape, double scale = 1, bool odd = false) {
    const int64_t count = c10::multiply_integers(shape);
    const at::Tensor values = at::empty({count + 1}, at::TensorOptions(Set::kType));
    const at::Tensor some = values.narrow(0, odd ? 1 : 0, count).view(shape);
    some.copy_(at::randn(shape) * scale);
    return some;
  }
  static Element* raw(const at::Tensor& t) {
    return t.defined() ? static_cast<Element*>(t.data_ptr()) : nullptr;
  }
  // Equal but for one rounding, that of a number as large as `terms` where what was added up is.
  static void expect_close(const at::Tensor& ours, const at::Tensor& wanted, const char* what,
                           double terms = 1e-3) {
    const double tolerance = Set::kType == at::kFloat ? 4e-6 : 1.0 / 128;
    const at::Tensor difference = (ours.to(at::kDouble) - wanted.to(at::kDouble)).abs();
    const at::Tensor most = wanted.to(at::kDouble).abs().clamp_min(terms) * tolerance;
    EXPECT_TRUE(difference.le(most).all().template item<bool>())
        << what << " " << wanted.sizes() << " differs by " << difference.max();
    EXPECT_GT(wanted.abs().max().template item<double>(), 0);
  }
};
using Sets = ::testing::Types<FloatSet, Bfloat16Set>;
TYPED_TEST_SUITE(CudaSource, Sets);

TYPED_TEST(CudaSource, NormsRows) {
  for (const auto& [columns, odd] : {std::pair{1, false}, {40, false}, {40, true}, {600, false}}) {
    const at::Tensor x_RC = this->random({5, columns}, 3, odd), w_C = this->random({columns});
    const at::Tensor wanted_RC = at::empty_like(x_RC);
    rms_norm_out(x_RC, w_C, 1e-5, wanted_RC);
    const at::Tensor block_RC = this->random({5, columns}), warp_RC = x_RC.clone();
    launch(5, 64, true, [&, columns = columns] {
      TypeParam::norm_blocks(this->raw(x_RC), this->raw(w_C), this->raw(block_RC), 5, columns,
                             1e-5f);
    });
    launch(2, 128, true, [&, columns = columns] {
      TypeParam::norm_warps(this->raw(warp_RC), this->raw(w_C), this->raw(warp_RC), 5, columns,
                            1e-5f);
    });
    this->expect_close(block_RC, wanted_RC, "a block a row");
    this->expect_close(warp_RC, wanted_RC, "a warp a row, in place");
  }
}

TYPED_TEST(CudaSource, GivesTheGradientOfNorms) {
  for (const auto& [columns, odd] : {std::pair{1, false}, {40, false}, {40, true}, {600, false}}) {
    const at::Tensor x_RC = this->random({5, columns}, 3, odd), w_C = this->random({columns});
    const at::Tensor d_RC = this->random({5, columns});
    const at::Tensor wanted_RC = rms_norm_backward(d_RC, x_RC, w_C, 1e-5);
    const at::Tensor block_RC = at::empty_like(d_RC), warp_RC = at::empty_like(d_RC);
    launch(5, 64, true, [&, columns = columns] {
      TypeParam::gradient_blocks(this->raw(d_RC), this->raw(x_RC), this->raw(w_C),
                                 this->raw(block_RC), 5, columns, 1e-5f);
    });
    launch(2, 128, true, [&, columns = columns] {
      TypeParam::gradient_warps(this->raw(d_RC), this->raw(x_RC), this->raw(w_C),
                                this->raw(warp_RC), 5, columns, 1e-5f);
    });
    if (columns == 1) continue;  // zero but for what rounding leaves
    const double most = wanted_RC.abs().max().template item<double>();
    this->expect_close(block_RC, wanted_RC, "a block a row", most);
    this->expect_close(warp_RC, wanted_RC, "a warp a row", most);
  }
}

TYPED_TEST(CudaSource, TurnsQueriesAndKeysTogether) {
  for (const int64_t size : {6, 16, 32}) {
    const at::Tensor angle = at::randn({3, size / 2}).repeat({1, 2});
    const at::Tensor cos = angle.cos().to(TypeParam::kType), sin = angle.sin().to(TypeParam::kType);
    // Keys whose heads and tokens lie apart.
    const at::Tensor q_NHE = this->random({3, 5, size}), k_NKE = this->random({4, 3, size + 8});
    const at::Tensor some_NKE = k_NKE.transpose(0, 1).narrow(1, 1, 2).narrow(2, 0, size);
    const at::Tensor wanted_q = q_NHE.clone(), wanted_k = some_NKE.contiguous();
    rope_(wanted_q, cos, sin);
    rope_(wanted_k, cos, sin);
    launch(3, 32, false, [&] {
      TypeParam::rope({this->raw(q_NHE), 5, q_NHE.stride(0), q_NHE.stride(1)},
                      {this->raw(some_NKE), 2, some_NKE.stride(0), some_NKE.stride(1)},
                      this->raw(cos), this->raw(sin), size, size, static_cast<int>(size));
    });
    this->expect_close(q_NHE, wanted_q, "queries", 1);
    this->expect_close(some_NKE, wanted_k, "keys", 1);
  }
}

TYPED_TEST(CudaSource, MultipliesBySiluAndGivesItsGradient) {
  for (const auto& [count, odd] : {std::pair{1, false}, {77, false}, {640, false}, {640, true}}) {
    const at::Tensor gate = this->random({count}, 10, odd), up = this->random({count}, 1, odd);
    const at::Tensor d = this->random({count}, 1, odd);
    const at::Tensor wanted = gate.clone(), ours = this->random({count}, 1, odd).copy_(gate);
    silu_mul_(wanted, up);
    const int64_t blocks = (count + 32 * TypeParam::kVector - 1) / (32 * TypeParam::kVector);
    launch(blocks, 32, false,
           [&, count = count] { TypeParam::silu_mul(this->raw(ours), this->raw(up), count); });
    this->expect_close(ours, wanted, "silu");
    const auto [wanted_gate, wanted_up] = silu_mul_backward(d, gate, up);
    const at::Tensor d_gate = this->random({count}, 1, odd), d_up = this->random({count}, 1, odd);
    launch(blocks, 32, false, [&, count = count] {
      TypeParam::silu_gradient(this->raw(d), this->raw(gate), this->raw(up), this->raw(d_gate),
                               this->raw(d_up), count);
    });
    this->expect_close(d_gate, wanted_gate, "gradient by gate", 1);
    this->expect_close(d_up, wanted_up, "gradient by up", 1);
  }
}

TYPED_TEST(CudaSource, DropsWhatTheCpuDrops) {
  const uint64_t seed = 0x123456789abcdef5u;
  const at::Tensor keys_R =
      at::tensor({int64_t{0}, int64_t{-3}, int64_t{1} << 50, int64_t{77}}, at::kLong);
  for (const auto& [columns, odd] : {std::pair{33, false}, {64, false}, {64, true}}) {
    const at::Tensor x_RC = this->random({4, columns}, 1, odd), out_RC = at::empty_like(x_RC);
    launch(4, 32, false, [&, columns = columns] {
      TypeParam::drop(this->raw(x_RC), this->raw(out_RC),
                      reinterpret_cast<const long long*>(keys_R.const_data_ptr<int64_t>()), columns,
                      seed, static_cast<uint32_t>(0.3 * 4294967296.), static_cast<float>(1 / 0.7));
    });
    EXPECT_TRUE(at::equal(out_RC, dropped(x_RC, 0.3, seed, keys_R)));
  }
}

TYPED_TEST(CudaSource, MultipliesFewRows) {
  for (const auto& [width, odd] : {std::pair{2056, false}, {1064, true}, {33, false}}) {
    for (const int64_t rows : {1, 2, 3, 4}) {
      const at::Tensor x_NK = this->random({rows, width}), bias_O = this->random({2});
      const at::Tensor first_OK = this->random({2, width}, 1, odd),
                       second_OK = this->random({1, width}), third_OK = this->random({2, width});
      const at::Tensor first_NO = this->random({rows, 2}), residual_NO = this->random({rows, 1}),
                       third_NO = this->random({rows, 2});
      const at::Tensor wanted_NO = residual_NO + row_product(x_NK, second_OK);
      const typename TypeParam::Factors factors{
          {{this->raw(first_OK), this->raw(bias_O), nullptr, this->raw(first_NO), 2},
           {this->raw(second_OK), nullptr, this->raw(residual_NO), this->raw(residual_NO), 1},
           {this->raw(third_OK), nullptr, nullptr, this->raw(third_NO), 2}}};
      launch(5, 128, true, [&, width = width] {
        TypeParam::products.begin()[rows - 1](factors, this->raw(x_NK), width);
      });
      const double terms = std::sqrt(width);
      this->expect_close(first_NO, row_product(x_NK, first_OK, bias_O), "with bias", terms);
      this->expect_close(residual_NO, wanted_NO, "added to what was there", terms);
      this->expect_close(third_NO, row_product(x_NK, third_OK), "the third", terms);
    }
  }
}

TYPED_TEST(CudaSource, MultipliesGateAndUpTogether) {
  const int64_t width = 1064;
  for (const int64_t rows : {1, 3, 4}) {
    const at::Tensor x_NK = this->random({rows, width}, 0.1);
    const at::Tensor gate_IK = this->random({3, width}), up_IK = this->random({3, width});
    const at::Tensor bias_I = this->random({3}), out_NI = this->random({rows, 3});
    const typename TypeParam::Factors factors{
        {{this->raw(gate_IK), nullptr, nullptr, this->raw(out_NI), 3},
         {this->raw(up_IK), this->raw(bias_I), nullptr, nullptr, 3},
         {}}};
    launch(3, 128, true,
           [&] { TypeParam::gate_up.begin()[rows - 1](factors, this->raw(x_NK), width); });
    const at::Tensor wanted_NI = row_product(x_NK, gate_IK);
    silu_mul_(wanted_NI, row_product(x_NK, up_IK, bias_I));
    this->expect_close(out_NI, wanted_NI, "neurons", 3);
  }
}

TYPED_TEST(CudaSource, NanStaysNan) {
  const at::Tensor nan = at::full({8}, std::nan("")).to(TypeParam::kType);
  const at::Tensor one = at::ones_like(nan);
  launch(1, 32, false, [&] { TypeParam::silu_mul(this->raw(nan), this->raw(one), 8); });
  EXPECT_TRUE(nan.isnan().all().template item<bool>());
}

}  // namespace
}  // namespace mop
