#include "report/table.h"

#include <gmock/gmock.h>

#include "base/error.h"

namespace mop {
namespace {

TEST(Quantities, ReadWell) {
  EXPECT_EQ(with_commas(6738415616), "6,738,415,616");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(-1234), "-1,234");
  EXPECT_EQ(percent(0.3056), "30.56%");
  EXPECT_EQ(duration(8.4), "8 s");
  EXPECT_EQ(duration(200), "3 min 20 s");
  EXPECT_EQ(duration(7500), "2 h 5 min");
}

TEST(TableText, AlignsWordsLeftAndNumbersRight) {
  Table table({"name", "size"});
  table.add({"a", "1,000"});
  table.add({"bcdef", "20"});
  EXPECT_EQ(table.text(), "name    size\na      1,000\nbcdef     20\n");
}

TEST(TableText, CountsCharactersNotBytes) {
  Table table({"x", "y"});
  table.add({"\u00fc", "b"});
  table.add({"aa", "c"});
  EXPECT_EQ(table.text(), "x   y\n\u00fc   b\naa  c\n");
}

TEST(TableText, HasAMarkdownForm) {
  Table table({"name", "size"});
  table.add({"a", "1"});
  EXPECT_EQ(table.markdown(), "| name | size |\n|---|---:|\n| a | 1 |\n");
}

TEST(TableText, RefusesARowOfAnotherLength) {
  Table table({"one"});
  EXPECT_THROW(table.add({"a", "b"}), Error);
}

TEST(Facts, AlignTheirValues) {
  EXPECT_EQ(facts({{"a", "1"}, {"long", "2"}}), "a     1\nlong  2\n");
}

}  // namespace
}  // namespace mop
