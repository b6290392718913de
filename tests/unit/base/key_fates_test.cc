#include "base/key_fates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mop {
namespace {
using ::testing::ElementsAre;

constexpr KeyFate kRows[] = {{"eta", Fate::kHonoured, "the step"},
                             {"_*", Fate::kIgnored, "private to the writer"},
                             {"_eta", Fate::kRefused, "never reached: an earlier row fits"}};
const FormatKeys kKeys = {"x.json", kRows};

TEST(KeyFates, TheFirstRowThatFitsDecides) {
  EXPECT_EQ(find_fate(kKeys, "eta")->fate, Fate::kHonoured);
  EXPECT_EQ(find_fate(kKeys, "_eta")->fate, Fate::kIgnored);
  EXPECT_EQ(find_fate(kKeys, "et"), nullptr);
  EXPECT_EQ(find_fate(kKeys, "etas"), nullptr) << "only a pattern fits longer keys";
}

TEST(KeyFates, UnknownKeysComeInTheOrderOfTheFile) {
  EXPECT_THAT(unknown_keys(Json::parse(R"({"zeta": 1, "eta": 2, "_x": 3, "alpha": 4})"), kKeys),
              ElementsAre("zeta", "alpha"));
}

}  // namespace
}  // namespace mop
