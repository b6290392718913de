// device/vision_test.cc -- rows of pictures, on the device and on the CPU.
#include "device/jobs.h"
#include "vision/image_encoder.h"

namespace mop::testing {
namespace {

class Vision : public OnDevice {};

TEST_F(Vision, RowsOfPicturesAreThoseOfTheCpu) {
  const std::filesystem::path golden =
      std::filesystem::path(MOP_SOURCE_DIR) / "tests/golden/vision";
  std::vector<std::filesystem::path> files;
  for (int i = 0; i < 19; ++i)
    files.push_back(golden / "pictures" / std::vector{"wide.png", "tall.png", "420.jpg"}[i % 3]);
  for (const char* name : {"llava", "llava-states"}) {
    const ImageEncoder encoder(Model::open(golden / name));
    const auto rows = [&](const Compute& compute) {
      return encoder.encode(files, compute, silent_progress());
    };
    const at::Tensor on_device = rows(device_compute());
    EXPECT_TRUE(on_device.is_cpu());
    expect_close(on_device, rows(cpu_compute()), name);
  }
}

}  // namespace
}  // namespace mop::testing
