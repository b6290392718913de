// device/opaque_device_test.cc -- what the device promises to the tests that count with it.
#include "device/opaque_device.h"

#include <ATen/ATen.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "base/error.h"
#include "tensor/device.h"

namespace mop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

at::TensorOptions on_device() { return at::TensorOptions().device(opaque_device()); }

TEST(OpaqueDevice, IsOpenedByItsName) {
  const c10::Device device = opaque_device();
  EXPECT_EQ(open_device("opaque"), device);
  try {
    open_device("opaque:7");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("known: cpu, cuda, cuda:N, opaque"));
  }
}

TEST(OpaqueDevice, CountsWhatTravelsAndWhatItDoes) {
  at::Tensor a, b;
  const Traffic up = measured([&] {
    a = at::arange(6, at::kFloat).to(opaque_device());             // 24 bytes
    b = at::ones({2}, at::kLong).to(opaque_device(), at::kFloat);  // converted first: 8 bytes
  });
  EXPECT_EQ(up.uploads, 2);
  EXPECT_EQ(up.upload_bytes, 32);
  EXPECT_EQ(up.pageable_bytes, 32);
  EXPECT_EQ(up.operations, 0) << up.text();
  EXPECT_EQ(up.live_bytes, 1024);

  at::Tensor back;
  double number = 0;
  const Traffic work = measured([&] {
    const at::Tensor c = a.view({3, 2}) + b;  // one operation; a view is none
    back = (c * 2).select(1, 1).cpu();        // one more, 12 bytes down
    number = c.sum().item<double>();
  });
  EXPECT_TRUE(at::equal(back, at::tensor({4.f, 8.f, 12.f})));
  EXPECT_EQ(number, 21);
  EXPECT_THAT(work.by_operation,
              UnorderedElementsAre(Pair("add", 1), Pair("mul", 1), Pair("sum", 1)));
  EXPECT_EQ(work.downloads, 1);
  EXPECT_EQ(work.download_bytes, 12);
  EXPECT_EQ(work.scalars, 1);
  EXPECT_EQ(work.uploads, 0);
  EXPECT_EQ(work.live_bytes, 0);
  EXPECT_EQ(work.peak_bytes, 1024);
}

TEST(OpaqueDevice, TheHostCannotReadItsMemory) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const at::Tensor x = at::zeros({4}, on_device());
  EXPECT_DEATH(static_cast<void>(*static_cast<const volatile float*>(x.const_data_ptr())), "");
}

TEST(OpaqueDevice, TensorsOfTheCpuAreRefusedButNumbersAreNot) {
  const at::Tensor x = at::ones({3}, on_device());
  EXPECT_THROW(x + at::ones({3}), c10::Error);
  EXPECT_THROW(at::cat({x, at::ones({3})}), c10::Error);
  EXPECT_THROW(x.index_select(0, at::zeros({1}, at::kLong)), c10::Error);
  EXPECT_TRUE(at::equal((x + at::scalar_tensor(1.f)).cpu(), at::full({3}, 2.f)));
}

TEST(OpaqueDevice, ValuesThatTheHostWaitsForAreCounted) {
  const at::Tensor x = at::tensor({0.f, 1.f, 2.f}).to(opaque_device());
  EXPECT_EQ(measured([&] { EXPECT_TRUE(at::equal(x, x.clone())); }).scalars, 1);
  EXPECT_EQ(measured([&] { EXPECT_EQ(at::nonzero(x).size(0), 2); }).scalars, 1);
  EXPECT_EQ(measured([&] { EXPECT_EQ(x.index({x.gt(0)}).size(0), 2); }).scalars, 1);
  EXPECT_EQ(measured([&] { static_cast<void>(x.gt(0)); }).scalars, 0);
}

TEST(OpaqueDevice, MemoryBeyondTheLimitIsRefusedAsAGpuDoes) {
  const at::Tensor held = at::empty({100}, on_device());
  {
    const MemoryLimit limit(1024);
    const at::Tensor fits = at::empty({128}, on_device());
    EXPECT_THROW(at::empty({129}, on_device()), c10::OutOfMemoryError);
    at::empty({1}, on_device());
  }
  at::empty({4096}, on_device());
}

TEST(OpaqueDevice, AttentionIsOneOperationAndSoIsItsGradient) {
  at::manual_seed(1);
  const auto values = [](int64_t heads) { return at::randn({2, heads, 5, 8}); };
  const std::array<at::Tensor, 3> host = {values(4), values(2), values(2)};
  for (const bool masked : {false, true}) {
    std::optional<at::Tensor> mask;
    if (masked) mask = at::ones({5, 5}, at::kBool).tril();
    std::array<at::Tensor, 2> out;
    std::array<std::array<at::Tensor, 3>, 2> gradients;
    Traffic traffic;
    for (const bool device : {false, true}) {
      std::array<at::Tensor, 3> x;
      for (size_t i = 0; i < 3; ++i) {
        x[i] = device ? host[i].to(opaque_device()) : host[i].clone();
        x[i].requires_grad_();
      }
      if (device && mask) mask = mask->to(opaque_device());
      traffic = measured([&] {
        out[device] = at::scaled_dot_product_attention(x[0], x[1], x[2], mask, 0.0, !masked,
                                                       std::nullopt, true);
        out[device].backward(at::ones_like(out[device]));
      });
      for (size_t i = 0; i < 3; ++i) gradients[device][i] = x[i].grad().cpu();
    }
    EXPECT_TRUE(at::allclose(out[0], out[1].cpu(), 1e-5, 1e-6));
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_TRUE(at::allclose(gradients[0][i], gradients[1][i], 1e-5, 1e-6)) << i;
    }
    EXPECT_EQ(traffic.by_operation.at("attention"), 1);
    EXPECT_EQ(traffic.by_operation.at("attention_backward"), 1);
    // Three gradients brought into their inputs' layout, the ones, and the mask made numbers.
    EXPECT_EQ(traffic.operations, masked ? 9 : 6) << traffic.text();
  }
}

at::Tensor pinned(int64_t elements) {
  return at::empty({elements}, at::TensorOptions().dtype(at::kFloat).pinned_memory(true));
}

TEST(OpaqueDevice, PinnedMemoryTravelsWithoutTheHostWaiting) {
  opaque_device();
  const at::Tensor host = pinned(8).fill_(3);
  EXPECT_TRUE(host.is_pinned());
  at::Tensor device;
  const Traffic traffic = measured([&] { device = host.to(opaque_device(), true); });
  EXPECT_EQ(traffic.upload_bytes, 32);
  EXPECT_EQ(traffic.pageable_bytes, 0);
  EXPECT_EQ(traffic.waits, 0);
  EXPECT_TRUE(at::equal(device.cpu(), host));
}

TEST(OpaqueDevice, WritingWhatACopyStillReadsEndsTheProgram) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  opaque_device();
  const at::Tensor host = pinned(8).zero_();
  const at::Tensor device = at::empty({8}, on_device());
  c10::Event copied(opaque_device().type());
  device.copy_(host, true);
  copied.record(c10::impl::VirtualGuardImpl(opaque_device().type()).getStream(opaque_device()));
  EXPECT_DEATH(*host.mutable_data_ptr<float>() = 1, "");
  copied.synchronize();
  *host.mutable_data_ptr<float>() = 1;
}

class Streams : public ::testing::Test {
 protected:
  const c10::impl::VirtualGuardImpl guard_{opaque_device().type()};
  const c10::Stream main_ = guard_.getStream(opaque_device());
  const c10::Stream side_ = guard_.getStreamFromGlobalPool(opaque_device());
};

TEST_F(Streams, AStreamThatWaitsForAnotherMayUseWhatItWrote) {
  const at::Tensor x = at::zeros({4}, on_device());
  c10::Event written(opaque_device().type()), ready(opaque_device().type());
  ready.record(main_);
  std::thread([&] {
    const c10::StreamGuard on_side(side_);
    ready.block(side_);
    x.copy_(pinned(4).fill_(1), true);
    written.record(side_);
  }).join();
  EXPECT_EQ(guard_.getStream(opaque_device()), main_);
  written.block(main_);
  EXPECT_EQ(x.sum().item<float>(), 4);
  EXPECT_THAT(take_hazards(), IsEmpty());
}

TEST_F(Streams, AStreamThatDoesNotWaitIsReported) {
  at::Tensor x = at::zeros({4}, on_device());
  {
    const c10::StreamGuard on_side(side_);
    x.fill_(1);  // nobody waited for zeros
  }
  EXPECT_THAT(take_hazards(), ElementsAre(HasSubstr("fill_ on stream")));
  const at::Tensor y = x + 1;
  EXPECT_THAT(take_hazards(), ElementsAre(HasSubstr("reads memory that another stream works on")));
  x = at::Tensor();
  EXPECT_THAT(take_hazards(), ElementsAre(HasSubstr("is given back while stream")));
}

TEST_F(Streams, MemoryGivenBackWhileAnotherStreamReadsItIsReportedUnlessRecorded) {
  for (const bool recorded : {false, true}) {
    at::Tensor x = at::zeros({4}, on_device());
    c10::Event ready(opaque_device().type());
    ready.record(main_);
    ready.block(side_);
    {
      const c10::StreamGuard on_side(side_);
      const at::Tensor y = x + 1;
      if (recorded) x.record_stream(side_);
    }
    x = at::Tensor();
    EXPECT_EQ(take_hazards().size(), recorded ? 0u : 1u);
  }
}

}  // namespace
}  // namespace mop::testing
