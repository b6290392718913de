#include "base/parse_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/library_error.h"
#include "base/narrow.h"
#include "kit/cpu_time.h"
#include "kit/refusal.h"

namespace mop {
namespace {

using mop::testing::refusal_of;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string repeated(const std::string& text, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; ++i) all += text;
  return all;
}

std::string complaint(const std::string& text) {
  return refusal_of([&] { parse_json(text); });
}

TEST(ParseJson, ReadsWhatTheLibraryReads) {
  const std::string text = R"({"b": [1, -2, 18446744073709551615, 0.5, null, true, "\u00e9\n"],
                               "a": {"x": {}, "y": []}})";
  EXPECT_EQ(parse_json(text), Json::parse(text));
  EXPECT_EQ(parse_json(text).dump(), Json::parse(text).dump()) << "keys in order";
  EXPECT_EQ(parse_sorted_json(text), nlohmann::json::parse(text));
  EXPECT_EQ(parse_json("3"), 3);
}

TEST(ParseJson, NestingIsBounded) {
  const auto lists = [](size_t depth) { return repeated("[", depth) + repeated("]", depth); };
  EXPECT_EQ(parse_json(lists(kDeepestJson)).dump(), lists(kDeepestJson));
  EXPECT_THAT(complaint(lists(kDeepestJson + 1)), HasSubstr("nested more than 128 deep"));
  // Deep enough to end the program by its stack, in a parser or where the value is let go.
  EXPECT_THAT(complaint(lists(200'000)), HasSubstr("nested more than 128 deep"));
  const std::string objects = repeated("{\"a\":", 200'000) + "1" + repeated("}", 200'000);
  EXPECT_THAT(complaint(objects), HasSubstr("nested more than 128 deep"));
}

TEST(ParseJson, AKeyStandsOnce) {
  EXPECT_THAT(complaint(R"({"a": 1, "b": {"c": 1, "a": 2, "c": 3}})"),
              HasSubstr("the key 'c' stands twice"));
  EXPECT_THAT(refusal_of([] { parse_sorted_json(R"({"a": 1, "a": 1})"); }),
              HasSubstr("the key 'a' stands twice"));
  EXPECT_EQ(parse_json(R"([{"a": 1}, {"a": 2}])").size(), 2u);
}

// By the library's own parser with a callback, 20,000 objects take half a minute.
TEST(ParseJson, TakesTimeInProportionToTheText) {
  const auto objects = [](int count) {
    std::string text = "{";
    for (int i = 0; i < count; ++i) text += fmt::format("\"t{}\":{{\"shape\":[1]}},", i);
    text.back() = '}';
    return text;
  };
  EXPECT_EQ(parse_sorted_json(objects(20000)).size(), 20000u);
  EXPECT_LT(testing::growth([&](int count) { parse_sorted_json(objects(count)); }, 5000), 10);
  EXPECT_LT(testing::growth([&](int count) { parse_json(objects(count)); }, 5000), 10);
}

TEST(ParseJson, SaysWhatIsWrongWithoutTheLibrarysName) {
  EXPECT_THAT(complaint("{\n\"a\": ]}"),
              AllOf(HasSubstr("not valid JSON: parse error at line 2, column 6"),
                    Not(HasSubstr("json.exception"))));
  EXPECT_THAT(complaint("[1e999]"), HasSubstr("not valid JSON: number overflow"));
  EXPECT_THAT(refusal_of([] { parse_json("x", "line 3 is no JSON"); }),
              HasSubstr("line 3 is no JSON: parse error at column 1"));
  EXPECT_LT(complaint("[\"" + std::string(1 << 20, 'x')).size(), 5000u);
  EXPECT_EQ(try_parse_json("{"), std::nullopt);
}

TEST(LibraryError, IsToldInOurWords) {
  try {
    Json::parse("{}").at("a").get<int>();
  } catch (const std::exception& e) {
    ASSERT_TRUE(library_error(e));
    EXPECT_THAT(library_error(e)->what(), Not(HasSubstr("json.exception")));
  }
  try {
    (void)std::filesystem::file_size("/absent");
  } catch (const std::exception& e) {
    ASSERT_TRUE(library_error(e));
    EXPECT_THAT(library_error(e)->what(), HasSubstr("No such file"));
    EXPECT_THAT(library_error(e)->what(), HasSubstr("path: /absent"));
  }
  EXPECT_FALSE(library_error(bad_input("x")));
}

TEST(Narrow, RefusesWhatDoesNotFit) {
  EXPECT_EQ(narrow<int32_t>(-5, "x"), -5);
  EXPECT_THAT(refusal_of([] { narrow<int32_t>(int64_t{1} << 32, "'layer'"); }),
              HasSubstr("'layer' is 4294967296, outside of -2147483648 to 2147483647"));
  EXPECT_EQ(whole_number(Json(7), "n"), 7);
  for (const Json& value : {Json(1.5), Json(UINT64_MAX), Json("1"), Json(true)})
    EXPECT_THAT(refusal_of([&] { whole_number(value, "n"); }),
                HasSubstr("n must be a whole number"));
}

}  // namespace
}  // namespace mop
