#include "tensor/cuda_kernels.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"
#include "tensor/cuda_driver.h"

namespace mop {
namespace {

// No GPU is needed to compile for one.
TEST(CudaKernels, CompileForTheGpusOfSeveralGenerations) {
  if (!cuda::can_compile()) GTEST_SKIP() << "NVIDIA's run-time compiler (NVRTC) is not found";
  const auto known = cuda::known_architectures();
  ASSERT_FALSE(known.empty());
  int tried = 0;
  for (const int number : {80, 90, 100}) {
    if (std::find(known.begin(), known.end(), number) == known.end()) continue;
    ++tried;
    for (const cuda::KernelFile& file : cuda::kernel_files()) {
      for (const std::vector<std::string>& macros :
           {std::vector<std::string>{}, std::vector<std::string>{"MOP_BFLOAT16"}}) {
        const std::string code =
            cuda::compile(file.text, file.name, "sm_" + std::to_string(number), macros);
        EXPECT_EQ(code.substr(1, 3), "ELF") << file.name << " for sm_" << number;
      }
    }
  }
  EXPECT_GE(tried, 2);
}

TEST(CudaKernels, TheCompilersLogIsTheError) {
  if (!cuda::can_compile()) GTEST_SKIP() << "NVIDIA's run-time compiler (NVRTC) is not found";
  const std::string target = "sm_" + std::to_string(cuda::known_architectures().back());
  try {
    cuda::compile("__global__ void kernel() { wrong(); }", "wrong.cu", target);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), testing::HasSubstr("wrong.cu does not compile for " + target));
    EXPECT_THAT(e.what(), testing::HasSubstr("identifier \"wrong\" is undefined"));
  }
}

TEST(CudaKernels, LeaveTheTensorsOfOtherDevicesAlone) {
  const at::Tensor x = at::ones({2, 16}), weight = at::ones({16});
  EXPECT_FALSE(cuda::rms_norm(x, weight, 1e-5, x));
  EXPECT_FALSE(cuda::silu_mul(x, x));
  EXPECT_FALSE(cuda::rope(x.view({2, 1, 16}), {}, x, x));
  EXPECT_FALSE(cuda::drop(x, 0.5, 7, at::arange(2), x));
  EXPECT_FALSE(cuda::rows_fit(x, at::ones({4, 16})));
  EXPECT_TRUE(at::equal(x, at::ones({2, 16})));
}

TEST(CudaKernels, WithoutAGpuTheDriverSaysSo) {
  constexpr int kNoSuchGpu = 63;
  EXPECT_FALSE(cuda_memory(kNoSuchGpu).has_value());
  EXPECT_THROW(cuda::load_module(kNoSuchGpu, ""), Error);
  EXPECT_FALSE(cuda::kernel_state(kNoSuchGpu).usable);
  EXPECT_FALSE(cuda::kernel_state(kNoSuchGpu).reason.empty());
}

}  // namespace
}  // namespace mop
