#include "vision/image_prompt.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kit/refusal.h"

namespace mop {
namespace {
using mop::testing::refusal_of;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr ImageTokens kHow{.placeholder = 7, .vocab = 100, .rows_per_image = 2};

std::vector<int64_t> expanded(std::vector<int64_t> ids, std::vector<int64_t> images) {
  return expand_images(ids, images, kHow);
}

TEST(ImagePrompt, EveryPlaceholderBecomesTheRowsOfItsPicture) {
  EXPECT_THAT(expanded({1, 7, 2}, {0}), ElementsAre(1, 100, 101, 2));
  EXPECT_THAT(expanded({7, 7, 3}, {4, 1}), ElementsAre(108, 109, 102, 103, 3));
  EXPECT_THAT(expanded({7, 7}, {2, 2}), ElementsAre(104, 105, 104, 105));
  EXPECT_THAT(expanded({1, 2}, {}), ElementsAre(1, 2));
  EXPECT_THAT(expanded({}, {}), IsEmpty());
}

TEST(ImagePrompt, RefusesPicturesWithoutAPlace) {
  EXPECT_THAT(refusal_of([] {
                expanded({1, 2}, {0});
              }),
              AllOf(HasSubstr("the prompt has no image token (id 7), and 1 image is given"),
                    HasSubstr("write <image>")));
  EXPECT_THAT(refusal_of([] {
                expanded({1, 7}, {0, 1});
              }),
              HasSubstr("the prompt has 1 image token (id 7), and 2 images are given"));
}

TEST(ImagePrompt, RefusesPlacesWithoutAPicture) {
  EXPECT_THAT(refusal_of([] {
                expanded({7, 7, 1}, {0});
              }),
              HasSubstr("the prompt has 2 image tokens (id 7), and 1 image is given"));
  EXPECT_THAT(refusal_of([] { expanded({7}, {}); }), HasSubstr("0 images are given"));
}

}  // namespace
}  // namespace mop
