#include "base/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/named_table.h"

namespace mop {
namespace {
using ::testing::AllOf;
using ::testing::HasSubstr;

TEST(Error, SaysWhatWhereAndWhatToDo) {
  const Error error =
      bad_input("layer {} is bad", 3).where("plan", "a.json").where("model", "m").hint("do this");
  EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
  EXPECT_EQ(error.message(), "layer 3 is bad");
  EXPECT_STREQ(error.what(),
               "layer 3 is bad\n"
               "  plan:  a.json\n"
               "  model: m\n"
               "  hint:  do this");
}

TEST(Error, LinesCanBeAddedInALoop) {
  Error error = io_error("three things");
  for (const char* item : {"a", "b", "c"}) error = std::move(error).where("item", item);
  for (const char* item : {"d", "e"}) std::move(error).where("item", item);
  EXPECT_STREQ(error.what(), "three things\n  item: a\n  item: b\n  item: c\n  item: d\n  item: e");
}

TEST(Error, CanBeCaughtCompletedAndThrownOn) {
  try {
    try {
      throw usage_error("unknown thing").hint("known: a");
    } catch (Error& e) {
      throw std::move(e).where("file", "recipe.yaml");
    }
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    EXPECT_STREQ(e.what(), "unknown thing\n  file: recipe.yaml\n  hint: known: a");
  }
}

struct Row {
  std::string name;
  int value;
};

TEST(NamedTable, FindsTheRowOrListsTheNames) {
  const Row rows[] = {{"one", 1}, {"two", 2}};
  const std::span<const Row> table(rows);
  EXPECT_EQ(find_by_name(table, "two", "number").value, 2);
  try {
    find_by_name(table, "three", "number");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    EXPECT_THAT(e.what(), AllOf(HasSubstr("unknown number 'three'"), HasSubstr("known: one, two")));
  }
}

}  // namespace
}  // namespace mop
