#include "text/overlap.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mop {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::string kOne = "The quick brown fox jumps over the lazy dog, twice a day.";
const std::string kTwo = "A second line that is long enough to be told from chance!";

TEST(LineHashes, LeaveOutLinesThatAreAlikeByChance) {
  EXPECT_THAT(line_hashes("The end.\n\n" + kOne + "\nResponse:\n" + kTwo), SizeIs(2));
  EXPECT_THAT(line_hashes(std::string(39, 'x')), IsEmpty());
  EXPECT_THAT(line_hashes(std::string(40, 'x')), SizeIs(1));
}

TEST(LineHashes, DoNotSeeCaseSpacesAndPunctuation) {
  EXPECT_EQ(line_hashes(kOne),
            line_hashes("  the QUICK brown fox\tjumps over the lazy dog -- twice a day \r\n"));
  EXPECT_NE(line_hashes(kOne), line_hashes(kTwo));
}

TEST(LineHashes, SurviveTextThatIsNoUtf8) {
  EXPECT_THAT(line_hashes(kOne + "\xFF\n" + kTwo), SizeIs(2));
}

TEST(OverlapOf, CountsLinesThatAreKnown) {
  const std::vector<uint64_t> known = line_hashes(kTwo);
  const std::vector<std::string> texts = {kOne + "\n" + kTwo, "short", kTwo, kTwo + " More."};
  const Overlap found = overlap(texts, known);
  EXPECT_EQ(found.lines, 4);
  EXPECT_EQ(found.shared, 2);
  EXPECT_EQ(found.fraction(), 0.5);
  EXPECT_EQ(overlap({}, known).fraction(), 0.);
}

}  // namespace
}  // namespace mop
