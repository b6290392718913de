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

TEST(Error, ShowsNothingThatATerminalObeys) {
  const Error error =
      bad_input("model_type '{}'", "\x1b[2J\x9b").where("f\x07", "a\rb").hint("\x1b]0;x");
  EXPECT_STREQ(error.what(), "model_type '\\x1b[2J\\x9b'\n  f\\x07: a\\x0db\n  hint:  \\x1b]0;x");
}

TEST(Error, LinesOfOthersDoNotLookLikeOurs) {
  const Error error = bad_input("key '{}'", "x'\n  hint: run this").where("file", "a\nerror: b");
  EXPECT_STREQ(error.what(), "key 'x'\n      hint: run this'\n  file: a\n    error: b");
}

TEST(Error, HasABound) {
  const std::string large(1 << 20, 'x');
  const Error error = bad_input("{}", large).where("file", large).hint(large);
  EXPECT_LT(std::string(error.what()).size(), 40000u);
  EXPECT_THAT(error.what(), HasSubstr("bytes more)"));
  Error list = bad_input("tensors are missing");
  for (int i = 0; i < 100; ++i) list = std::move(list).where(fmt::format("t{}", i), large);
  EXPECT_LT(std::string(list.what()).size(), 300000u);
}

TEST(Error, ALongListEndsInHowManyFollowAndStillSaysWhere) {
  Error error = bad_input("tensors are missing");
  for (int i = 0; i < 20000; ++i) error = std::move(error).where("missing", fmt::format("t{}", i));
  error = std::move(error).where("file", "config.json");
  EXPECT_THAT(error.what(), AllOf(HasSubstr("missing: t1998\n  missing: and further ones: 18001\n"),
                                  HasSubstr("file:    config.json")));
}

}  // namespace
}  // namespace mop
