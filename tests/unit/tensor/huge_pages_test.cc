#include "tensor/huge_pages.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/files.h"
#include "kit/random_model.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

using mop::testing::TempFolder;

constexpr int64_t kBytes = (int64_t{20} << 20) + 4;  // more than the trial, its end inside a page

class HugePages : public ::testing::Test {
 protected:
  HugePages() {
    std::string bytes(kBytes, '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 2654435761u >> 24);
    write_file(folder_.path() / "weights", bytes);
    expected_ = at::tensor(
        at::ArrayRef<int8_t>(reinterpret_cast<const int8_t*>(bytes.data()), bytes.size()));
    file_ = MappedFile::open(folder_.path() / "weights");
    mapped_ = tensor_view(file_, 0, {kBytes}, at::kChar);
  }
  TempFolder folder_;
  std::shared_ptr<const MappedFile> file_;
  at::Tensor mapped_, expected_;
};

TEST_F(HugePages, TheFileStaysWhatItIs) {
  read_into_huge_pages(mapped_, kBytes);
  EXPECT_TRUE(at::equal(mapped_, expected_));
  check_mappings();
}

TEST_F(HugePages, AMappingIsLookedAtOnce) {
  const auto range = first_look_at_mapping(mapped_.narrow(0, 5000, 10));
  ASSERT_TRUE(range);
  EXPECT_EQ(range->begin, file_->bytes().data());
  EXPECT_EQ(range->bytes, static_cast<size_t>(kBytes));
  EXPECT_FALSE(first_look_at_mapping(mapped_));
  file_.reset();
  mapped_.reset();
  const auto again = MappedFile::open(folder_.path() / "weights");
  EXPECT_TRUE(first_look_at_mapping(tensor_view(again, 0, {kBytes}, at::kChar)));
}

TEST_F(HugePages, OtherMemoryIsLeftAlone) {
  EXPECT_FALSE(first_look_at_mapping(expected_));
  EXPECT_FALSE(first_look_at_mapping(at::Tensor()));
  read_into_huge_pages(at::Tensor(), kBytes);
  read_into_huge_pages(expected_, kBytes);
}

}  // namespace
}  // namespace mop
