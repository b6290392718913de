#include "tensor/scratch.h"

#include <ATen/ops/arange.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/zeros.h>
#include <gmock/gmock.h>

#include <fstream>

#include "base/error.h"
#include "kit/random_model.h"

namespace mop::testing {
namespace {

namespace fs = std::filesystem;

// What this process has mapped.
std::string mappings() {
  std::ifstream maps("/proc/self/maps");
  return {std::istreambuf_iterator<char>(maps), {}};
}

TEST(Scratch, HoldsTheValuesInAFileWithoutAName) {
  TempFolder folder;
  const at::Tensor value = at::arange(6, at::kBFloat16).view({2, 3}).t();
  const at::Tensor kept = in_scratch(value, folder.path());
  EXPECT_TRUE(at::equal(kept, value));
  EXPECT_TRUE(fs::is_empty(folder.path()));
  EXPECT_THAT(mappings(), ::testing::HasSubstr((folder.path() / "scratch.tmp").string()));
}

TEST(Scratch, IsWrittenToWithoutAName) {
  TempFolder folder;
  const at::Tensor memory = zeros_in_scratch({2, 3}, at::kBFloat16, folder.path());
  EXPECT_TRUE(at::equal(memory, at::zeros({2, 3}, at::kBFloat16)));
  const at::Tensor value = at::arange(6, at::kBFloat16).view({2, 3});
  memory.copy_(value);
  EXPECT_TRUE(at::equal(memory, value));
  EXPECT_TRUE(fs::is_empty(folder.path()));
  EXPECT_THAT(mappings(), ::testing::HasSubstr((folder.path() / "scratch.tmp").string()));
}

TEST(Scratch, IsOfAnyShape) {
  TempFolder folder;
  EXPECT_EQ(zeros_in_scratch({0, 3}, at::kFloat, folder.path()).sizes(), at::IntArrayRef({0, 3}));
  EXPECT_EQ(zeros_in_scratch({}, at::kFloat, folder.path()).dim(), 0);
}

TEST(Scratch, SaysWhereItCannotWrite) {
  EXPECT_THAT([] { in_scratch(at::arange(3), "/nonexistent/folder"); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("/nonexistent/folder")));
  EXPECT_THAT([] { zeros_in_scratch({3}, at::kFloat, "/nonexistent/folder"); },
              ::testing::ThrowsMessage<Error>(::testing::HasSubstr("/nonexistent/folder")));
}

}  // namespace
}  // namespace mop::testing
