#include "tensor/scratch.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <gmock/gmock.h>

#include <fstream>

#include "base/error.h"
#include "kit/random_model.h"

namespace mop::testing {
namespace {

namespace fs = std::filesystem;

TEST(Scratch, HoldsTheValuesInAFileWithoutAName) {
  TempFolder folder;
  const at::Tensor value = at::arange(6, at::kBFloat16).view({2, 3}).t();
  const at::Tensor kept = in_scratch(value, folder.path());
  EXPECT_TRUE(at::equal(kept, value));
  EXPECT_TRUE(fs::is_empty(folder.path()));
  std::ifstream maps("/proc/self/maps");
  const std::string all{std::istreambuf_iterator<char>(maps), {}};
  EXPECT_THAT(all, ::testing::HasSubstr((folder.path() / "scratch.tmp").string()));
}

TEST(Scratch, SaysWhereItCannotWrite) {
  EXPECT_THAT([] { in_scratch(at::arange(3), "/nonexistent/folder"); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("/nonexistent/folder")));
}

}  // namespace
}  // namespace mop::testing
