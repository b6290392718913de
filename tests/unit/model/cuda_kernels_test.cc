// The kernels for GPUs, on one: against the plain operations on the CPU in float32 or bfloat16.
// MOP_CUDA_TIMES=1 prints how fast they are.
#include "tensor/cuda_kernels.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <functional>

#include "kit/gpu.h"
#include "model/differentiable.h"
#include "model/gradient_kernels.h"
#include "model/kernels.h"
#include "tensor/row_product.h"

namespace mop {
namespace {

class CudaKernels : public ::testing::TestWithParam<at::ScalarType> {
 protected:
  void SetUp() override {
    if (!testing::gpu().device) GTEST_SKIP() << testing::gpu().reason;
    const cuda::KernelState state = cuda::kernel_state(0);
    if (!state.usable) GTEST_SKIP() << "kernels for the GPU are off: " << state.reason;
    at::manual_seed(7);
  }
  // A kernel that failed would leave its work to the plain operations, which pass these tests.
  void TearDown() override {
    if (IsSkipped()) return;
    EXPECT_EQ(cuda::kernel_state(0).reason, "");
  }
  static at::Tensor random(at::IntArrayRef shape, double scale = 1) {
    return (at::randn(shape) * scale).to(GetParam());
  }
  // On the GPU, at an address that no wide load takes where `odd`.
  static at::Tensor on_gpu(const at::Tensor& t, bool odd = false) {
    const at::Tensor memory =
        at::empty({t.numel() + 1}, t.options().device(*testing::gpu().device));
    const at::Tensor copy = memory.narrow(0, odd ? 1 : 0, t.numel()).view(t.sizes());
    return copy.copy_(t);
  }
  // Equal but for one rounding, that of a number as large as `terms` where what was added up is.
  static void expect_close(const at::Tensor& ours, const at::Tensor& wanted, const char* what,
                           double terms = 1e-3) {
    const double tolerance = GetParam() == at::kFloat ? 6e-6 : 1.0 / 64;
    ASSERT_TRUE(ours.is_cuda());
    const at::Tensor found = ours.cpu().to(at::kDouble), right = wanted.to(at::kDouble);
    const at::Tensor difference = (found - right).abs();
    EXPECT_TRUE(difference.le(right.abs().clamp_min(terms) * tolerance).all().item<bool>())
        << what << " " << wanted.sizes() << " differs by " << difference.max();
  }
};
INSTANTIATE_TEST_SUITE_P(Dtypes, CudaKernels, ::testing::Values(at::kFloat, at::kBFloat16));

constexpr std::array<std::pair<int64_t, int64_t>, 8> kShapes = {
    {{1, 1}, {1, 4096}, {3, 33}, {7, 128}, {2, 1000}, {300, 1032}, {5, 4097}, {65, 8192}}};

TEST_P(CudaKernels, NormsAndTheirGradients) {
  for (const auto& [rows, columns] : kShapes) {
    for (const bool odd : {false, true}) {
      const at::Tensor x = random({rows, columns}, 3), weight = random({columns}),
                       d = random({rows, columns});
      const at::Tensor wanted = at::empty_like(x);
      rms_norm_out(x, weight, 1e-5, wanted);
      const at::Tensor x_gpu = on_gpu(x, odd), weight_gpu = on_gpu(weight, odd);
      const at::Tensor d_x = at::empty_like(x_gpu);
      ASSERT_TRUE(cuda::rms_norm_gradient(on_gpu(d, odd), x_gpu, weight_gpu, 1e-5, d_x));
      if (columns > 1) {
        const at::Tensor wanted_d = rms_norm_backward(d, x, weight, 1e-5);
        expect_close(d_x, wanted_d, "gradient", wanted_d.abs().max().item<double>());
      }
      ASSERT_TRUE(cuda::rms_norm(x_gpu, weight_gpu, 1e-5, x_gpu));  // in place
      expect_close(x_gpu, wanted, "norm");
    }
  }
}

TEST_P(CudaKernels, TurnsOfOneTensorAndOfTwo) {
  for (const int64_t size : {2, 6, 64, 128}) {
    const at::Tensor angle = at::randn({9, size / 2}).repeat({1, 2});
    const at::Tensor table_2NE = at::stack({angle.cos(), angle.sin()}).to(GetParam());
    const at::Tensor cos = table_2NE[0], sin = table_2NE[1], table_gpu = on_gpu(table_2NE);
    const at::Tensor query = random({9, 5, size}), key = random({9, 2, size + 8});
    const at::Tensor query_gpu = on_gpu(query), alone_gpu = on_gpu(query);
    const at::Tensor key_gpu = on_gpu(key).narrow(2, 0, size);  // heads lie apart
    ASSERT_TRUE(cuda::rope(query_gpu, key_gpu, table_gpu[0], table_gpu[1]));
    ASSERT_TRUE(cuda::rope(alone_gpu, {}, table_gpu[0], table_gpu[1]));
    const at::Tensor some_key = key.narrow(2, 0, size).contiguous();
    rope_(query, some_key, cos, sin);
    expect_close(query_gpu, query, "queries", 1);
    expect_close(key_gpu, some_key, "keys", 1);
    EXPECT_TRUE(at::equal(alone_gpu, query_gpu));
  }
}

TEST_P(CudaKernels, SiluAndItsGradients) {
  for (const auto& [rows, columns] : kShapes) {
    for (const bool odd : {false, true}) {
      const at::Tensor gate = random({rows, columns}, 10), up = random({rows, columns}),
                       d = random({rows, columns});
      const at::Tensor gate_gpu = on_gpu(gate, odd), up_gpu = on_gpu(up, odd);
      const auto [wanted_gate, wanted_up] = silu_mul_backward(d, gate, up);
      const at::Tensor d_gate = at::empty_like(gate_gpu), d_up = at::empty_like(up_gpu);
      ASSERT_TRUE(cuda::silu_mul_gradient(on_gpu(d), gate_gpu, up_gpu, d_gate, d_up));
      expect_close(d_gate, wanted_gate, "gradient by gate", 1);
      expect_close(d_up, wanted_up, "gradient by up", 1);
      ASSERT_TRUE(cuda::silu_mul(gate_gpu, up_gpu));
      silu_mul_(gate, up);
      expect_close(gate_gpu, gate, "product", 1e-2);
    }
  }
}

TEST_P(CudaKernels, DropWhatTheCpuDrops) {
  for (const auto& [rows, columns] : kShapes) {
    const at::Tensor keys = at::arange(-1, rows - 1, at::kLong) * 1234567890123;
    const at::Tensor x = random({rows, columns});
    const at::Tensor wanted = dropped(x, 0.3, 99, keys);
    const at::Tensor keys_gpu = keys.to(*testing::gpu().device), out = on_gpu(x);
    ASSERT_TRUE(cuda::drop(on_gpu(x), 0.3, 99, keys_gpu, out));
    EXPECT_TRUE(at::equal(out.cpu(), wanted));
    EXPECT_TRUE(at::equal(dropped(on_gpu(x), 0.3, 99, keys).cpu(), wanted));
    // float64 takes the plain operations.
    const at::Tensor plain = dropped(on_gpu(x).to(at::kDouble), 0.3, 99, keys_gpu);
    EXPECT_TRUE(at::equal(plain.eq(0).cpu(), wanted.eq(0)));
  }
}

TEST_P(CudaKernels, ProductsOfFewRows) {
  for (const int64_t width : {1, 33, 512, 4096, 11008, 4104}) {
    for (const int64_t rows : {1, 2, 3, 4}) {
      for (const bool odd : {false, true}) {
        const at::Tensor x = random({rows, width}), w1 = random({70, width}),
                         w2 = random({1, width}), w3 = random({33, width}), bias = random({70}),
                         residual = random({rows, 70});
        const at::Tensor x_gpu = on_gpu(x), w1_gpu = on_gpu(w1, odd);
        ASSERT_TRUE(row_product_fits(x_gpu, w1_gpu));
        const std::vector<RowFactor> factors = {
            {w1_gpu, on_gpu(bias)}, {on_gpu(w2)}, {on_gpu(w3)}, {w1_gpu}};
        const std::vector<at::Tensor> found = row_products(x_gpu, factors);
        const double terms = std::sqrt(width);
        const at::Tensor product = row_product(x, w1);
        expect_close(found[0], row_product(x, w1, bias), "with bias", terms);
        expect_close(found[1], row_product(x, w2), "one output", terms);
        expect_close(found[2], row_product(x, w3), "the third", terms);
        expect_close(found[3], product, "the fourth", terms);
        const at::Tensor sum = on_gpu(residual);
        const cuda::RowWork work{w1_gpu, {}, sum, sum};
        ASSERT_TRUE(cuda::row_products(x_gpu, {&work, 1}));
        expect_close(sum, residual + product, "added", terms);
        if (rows > 1) {  // each row as if it were alone
          EXPECT_TRUE(at::equal(row_product(x_gpu[1].unsqueeze(0), w1_gpu)[0], found[3][1]));
        }
      }
    }
  }
}

TEST_P(CudaKernels, GateAndUpTogether) {
  for (const int64_t width : {33, 4096, 4104}) {
    for (const int64_t rows : {1, 2, 3, 4}) {
      const at::Tensor x = random({rows, width}, 0.05), gate = random({70, width}),
                       up = random({70, width}), bias = random({70});
      const at::Tensor out = on_gpu(random({rows, 70}));
      ASSERT_TRUE(cuda::gate_up_product(on_gpu(x), {on_gpu(gate), {}, {}, out},
                                        {on_gpu(up), on_gpu(bias), {}, {}}));
      const at::Tensor wanted = row_product(x, gate);
      silu_mul_(wanted, row_product(x, up, bias));
      expect_close(out, wanted, "neurons", 4);
    }
  }
}

// The backward pass runs in a thread of LibTorch's own, whose CUDA context is its affair.
TEST_P(CudaKernels, GradientsFlowThroughThem) {
  const at::Tensor x = random({6, 64}), weight = random({64}), keys = at::arange(6, at::kLong);
  const at::Tensor w = random({32, 64}, 0.1), a = random({4, 64}, 0.1), b = random({32, 4}, 0.1);
  const auto gradients = [&](c10::Device device) {
    const auto there = [&](const at::Tensor& t) {
      return t.to(device).clone().requires_grad_(true);
    };
    const at::Tensor x_there = there(x), a_there = there(a), b_there = there(b);
    const at::Tensor normed = rms_norm_with_gradient(x_there, weight.to(device), 1e-5);
    const LowRank low_rank{
        .a_RK = a_there, .b_OR = b_there, .scale = 2, .dropout = 0.25, .seed = 5, .keys_N = keys};
    const at::Tensor out = low_rank_linear(normed, w.to(device), {}, low_rank);
    silu_mul_with_gradient(out, out).sum().backward();
    return std::vector<at::Tensor>{x_there.grad(), a_there.grad(), b_there.grad()};
  };
  const auto found = gradients(*testing::gpu().device), wanted = gradients(c10::kCPU);
  for (size_t i = 0; i < found.size(); ++i) {
    const double most = wanted[i].abs().max().item<double>();
    expect_close(found[i], wanted[i], "gradient", 4 * most);
  }
}

TEST_P(CudaKernels, WorkInLibTorchsCurrentStream) {
  const c10::Device device = *testing::gpu().device;
  const c10::impl::VirtualGuardImpl guard(c10::kCUDA);
  const at::Tensor gate = random({64, 8192}), up = random({64, 8192});
  const at::Tensor gate_gpu = on_gpu(gate), up_gpu = on_gpu(up);
  guard.synchronizeDevice(device.index());
  const c10::Stream before = guard.exchangeStream(guard.getStreamFromGlobalPool(device, false));
  for (int i = 0; i < 50; ++i) gate_gpu.mul_(1);  // what the kernel has to wait for
  gate_gpu.mul_(0.5);
  EXPECT_TRUE(cuda::silu_mul(gate_gpu, up_gpu));
  const at::Tensor found = gate_gpu.cpu();
  guard.exchangeStream(before);
  gate.mul_(0.5);
  silu_mul_(gate, up);
  expect_close(found.to(device), gate, "product", 1e-2);
}

/// Prints the time of one call and, from the bytes it must move, the bandwidth.
void time_calls(const char* what, double bytes, const at::Tensor& probe,
                const std::function<void()>& call) {
  using Clock = std::chrono::steady_clock;
  const auto wait = [&] { return probe.view(-1)[0].item(); };
  for (int i = 0; i < 10; ++i) call();
  wait();
  const auto start = Clock::now();
  constexpr int kCalls = 100;
  for (int i = 0; i < kCalls; ++i) call();
  const double queued = std::chrono::duration<double>(Clock::now() - start).count() / kCalls;
  wait();
  const double seconds = std::chrono::duration<double>(Clock::now() - start).count() / kCalls;
  std::printf("  %-44s %9.1f us (%5.1f us to start) %8.0f GB/s\n", what, seconds * 1e6,
              queued * 1e6, bytes / seconds / 1e9);
}

class CudaTimes : public CudaKernels {
 protected:
  void SetUp() override {
    if (std::getenv("MOP_CUDA_TIMES") == nullptr) GTEST_SKIP() << "MOP_CUDA_TIMES=1 prints times";
    CudaKernels::SetUp();
    if (!IsSkipped()) std::printf(" %s\n", c10::toString(GetParam()));
  }
  static at::TensorOptions options() {
    return at::TensorOptions().dtype(GetParam()).device(*testing::gpu().device);
  }
  static at::Tensor make(at::IntArrayRef shape) { return at::randn(shape, options()); }
  static double size() { return static_cast<double>(c10::elementSize(GetParam())); }
};
INSTANTIATE_TEST_SUITE_P(Dtypes, CudaTimes, ::testing::Values(at::kFloat, at::kBFloat16));

TEST_P(CudaTimes, OfStepsBetweenProductsAtTheShapesOfA7B) {
  for (const int64_t rows : {1, 16384}) {
    const at::Tensor x = make({rows, 4096}), weight = make({4096}), out = make({rows, 4096});
    const double row_bytes = static_cast<double>(rows) * 4096 * size();
    std::printf(" %ld rows\n", static_cast<long>(rows));
    time_calls("norm", 2 * row_bytes, out, [&] { cuda::rms_norm(x, weight, 1e-5, out); });
    time_calls("norm, plain", 2 * row_bytes, out, [&] { out.copy_(rms_norm(x, weight, 1e-5)); });
    time_calls("gradient of norm", 3 * row_bytes, out,
               [&] { cuda::rms_norm_gradient(x, x, weight, 1e-5, out); });
    const at::Tensor query = make({rows, 32, 128}), key = make({rows, 32, 128}),
                     cos = make({rows, 128}), sin = make({rows, 128});
    time_calls("rope of queries and keys", 4 * row_bytes, key,
               [&] { cuda::rope(query, key, cos, sin); });
    time_calls("rope of both, plain", 4 * row_bytes, key, [&] {
      query.copy_(rope(query, cos, sin));
      key.copy_(rope(key, cos, sin));
    });
    const at::Tensor gate = make({rows, 11008}), up = make({rows, 11008});
    const double neuron_bytes = static_cast<double>(rows) * 11008 * size();
    time_calls("silu_mul", 3 * neuron_bytes, gate, [&] { cuda::silu_mul(gate, up); });
    time_calls("silu_mul, plain", 3 * neuron_bytes, gate, [&] { gate.copy_(silu_mul(gate, up)); });
    if (rows > 1) {
      const at::Tensor d_gate = at::empty_like(gate), d_up = at::empty_like(gate);
      time_calls("gradient of silu_mul", 5 * neuron_bytes, d_up,
                 [&] { cuda::silu_mul_gradient(gate, gate, up, d_gate, d_up); });
      const at::Tensor keys = at::arange(rows, options().dtype(at::kLong));
      time_calls("drop", 2 * row_bytes, out, [&] { cuda::drop(x, 0.05, 7, keys, out); });
    }
  }
}

// Several weights in turn, so that none is in the cache.
TEST_P(CudaTimes, OfProductsAtTheShapesOfA7B) {
  for (const int64_t rows : {1, 2, 4}) {
    const at::Tensor x = make({rows, 4096}), wide = make({rows, 11008}),
                     hidden = make({rows, 4096});
    std::printf(" products of %ld rows\n", static_cast<long>(rows));
    const auto times = [&](const char* what, int64_t outputs, int64_t width, const auto& call) {
      std::vector<at::Tensor> weights;
      for (int i = 0; i < 8; ++i) weights.push_back(make({outputs, width}));
      size_t turn = 0;
      time_calls(what, static_cast<double>(outputs * width) * size(), hidden,
                 [&] { call(weights[turn++ % weights.size()]); });
    };
    times("4096 x 4096", 4096, 4096, [&](const at::Tensor& w) { row_product(x, w); });
    times("4096 x 4096, general", 4096, 4096, [&](const at::Tensor& w) { at::linear(x, w); });
    times("1024 x 4096", 1024, 4096, [&](const at::Tensor& w) { row_product(x, w); });
    times("query, key, value: 12288 x 4096", 12288, 4096, [&](const at::Tensor& w) {
      const auto parts = w.chunk(3);
      row_products(x, std::vector<RowFactor>{{parts[0]}, {parts[1]}, {parts[2]}});
    });
    const at::Tensor out = make({rows, 11008});
    times("gate and up: 22016 x 4096", 22016, 4096, [&](const at::Tensor& w) {
      const auto parts = w.chunk(2);
      cuda::gate_up_product(x, {parts[0], {}, {}, out}, {parts[1], {}, {}, {}});
    });
    times("down, added: 4096 x 11008", 4096, 11008, [&](const at::Tensor& w) {
      const cuda::RowWork work{w, {}, hidden, hidden};
      cuda::row_products(wide, {&work, 1});
    });
    times("down, general", 4096, 11008, [&](const at::Tensor& w) { at::linear(wide, w); });
    times("head: 32000 x 4096", 32000, 4096, [&](const at::Tensor& w) { row_product(x, w); });
    times("head, general", 32000, 4096, [&](const at::Tensor& w) { at::linear(x, w); });
  }
}

}  // namespace
}  // namespace mop
