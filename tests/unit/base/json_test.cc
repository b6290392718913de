#include "base/json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/files.h"
#include "base/random.h"
#include "kit/random_model.h"

namespace mop {
namespace {
using mop::testing::TempFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

template <typename Read>
std::string error_of(Read read) {
  try {
    read();
  } catch (const Error& e) {
    return e.what();
  }
  return "no error";
}

class JsonFile : public ::testing::Test {
 protected:
  std::filesystem::path write(const std::string& text) {
    write_file(folder_.path() / "file", text);
    return folder_.path() / "file";
  }
  Json yaml(const std::string& text) { return read_yaml(write(text)); }

 private:
  TempFolder folder_;
};

TEST_F(JsonFile, KeepsTheOrderOfKeys) {
  EXPECT_EQ(read_json(write(R"({"b":1,"a":2})")).dump(), R"({"b":1,"a":2})");
  EXPECT_EQ(yaml("b: 1\na: 2\n").dump(), R"({"b":1,"a":2})");
}

TEST_F(JsonFile, ABrokenFileIsNamed) {
  const auto path = write("{\"a\": 1e999}");
  EXPECT_THAT(error_of([&] { read_json(path); }),
              AllOf(HasSubstr("not valid JSON"), HasSubstr(path.string())));
  write("{\"a\"");
  EXPECT_THAT(error_of([&] { read_json(path); }), HasSubstr("not valid JSON"));
  write("a: [1, 2");
  EXPECT_THAT(error_of([&] { read_yaml(path); }),
              AllOf(HasSubstr("not valid YAML"), HasSubstr(path.string())));
  write("a: 1\na: 2\n");
  EXPECT_THAT(error_of([&] { read_yaml(path); }),
              AllOf(HasSubstr("key 'a' stands twice"), HasSubstr(path.string())));
  write("? [1, 2]\n: 3\n");
  EXPECT_THAT(error_of([&] { read_yaml(path); }), HasSubstr("a key of a YAML map"));
  write("a: &x [1, *x]\n");
  EXPECT_NE(error_of([&] { read_yaml(path); }), "no error") << "an alias inside itself";
}

TEST_F(JsonFile, YamlScalarsFollowTheCoreSchema) {
  const Json value = yaml(R"(
true: [true, True, false, FALSE]
none: [~, null, NULL, ]
whole: [1, -7, +3, 0x1F, 0o17, 007, 18446744073709551615]
real: [0.5, -.5, 1e3, 5., 1.5E-2, +2.5]
text: [inf, nan, infinity, yes, no, on, 1.2.3, 0x, 1e, +, -, 12abc, +-5, .x, "1", '2', !!str 3]
)");
  EXPECT_EQ(value["true"], Json::parse("[true,true,false,false]"));
  EXPECT_EQ(value["none"], Json::parse("[null,null,null]"));
  EXPECT_EQ(value["whole"], Json::parse("[1,-7,3,31,15,7,18446744073709551615]"));
  EXPECT_EQ(value["real"], Json::parse("[0.5,-0.5,1000.0,5.0,0.015,2.5]"));
  for (const Json& text : value["text"]) EXPECT_TRUE(text.is_string()) << text;
  EXPECT_EQ(yaml("a: .inf\n")["a"].get<double>(), INFINITY);
  EXPECT_EQ(yaml("a: -.inf\n")["a"].get<double>(), -INFINITY);
  EXPECT_TRUE(std::isnan(yaml("a: .nan\n")["a"].get<double>()));
}

// Values of every kind, texts that look like other things, nested at random.
Json random_value(Random& random, int depth) {
  static const std::vector<std::string> texts = {
      "",     "true", "null", "~",      "1",    "-1.5", "1e5", "0x1F", ".inf",  "inf",  "a: b",
      "# no", "- x",  "[x",   "{x}",    "x\ny", " x ",  "é😀",  "\t",   "\"q\"", "'q'",  "!tag",
      "&a",   "*a",   "a\\b", "%x",     "@x",   "`x",   "|",   ">",    "?",     ":",    "x:",
      "x #y", "\x01", "---",  "/a/b c", "=",    "<<",   "yes", "1_0",  "0o7",   "12:30"};
  switch (random.below(depth > 3 ? 5 : 7)) {
    case 0:
      return texts[random.below(texts.size())];
    case 1:
      return static_cast<int64_t>(random.bits());
    case 2:
      return (random.uniform() - 0.5) *
             std::pow(10.0, static_cast<double>(random.below(40)) - 20.0);
    case 3:
      return random.below(2) == 0;
    case 4:
      return random.below(4) == 0 ? Json(1.0) : Json(nullptr);
    case 5: {
      Json list = Json::array();
      for (uint64_t i = random.below(4); i > 0; --i)
        list.push_back(random_value(random, depth + 1));
      return list;
    }
    default: {
      Json object = Json::object();
      for (uint64_t i = random.below(4); i > 0; --i) {
        object[texts[random.below(texts.size())] + std::to_string(i)] =
            random_value(random, depth + 1);
      }
      return object;
    }
  }
}

TEST_F(JsonFile, WhatIsWrittenAsYamlIsReadBackEqual) {
  for (uint64_t seed = 0; seed < 500; ++seed) {
    Random random(seed);
    const Json value = {{"value", random_value(random, 0)}};
    const std::string text = to_yaml(value);
    EXPECT_EQ(parse_yaml(text, "test"), value) << "seed " << seed << "\n" << text;
  }
}

TEST_F(JsonFile, TextThatIsNoUtf8DoesNotStopTheWriter) {
  EXPECT_THAT(to_text({{"path", "a\xff"}}), HasSubstr("\"path\": \"a"));
}

TEST(JsonKeys, RequireNamesTheKeyAndTheFile) {
  const Json object = {
      {"n", 3}, {"x", 0.5}, {"s", "text"}, {"none", nullptr}, {"huge", UINT64_MAX}};
  EXPECT_EQ(require<int64_t>(object, "n", "f"), 3);
  EXPECT_EQ(require<double>(object, "n", "f"), 3.0);
  EXPECT_EQ(require<std::string>(object, "s", "f"), "text");
  EXPECT_THAT(error_of([&] { require<int64_t>(object, "absent", "config.json"); }),
              AllOf(HasSubstr("the key 'absent' is missing"), HasSubstr("config.json")));
  EXPECT_THAT(error_of([&] { require<int64_t>(object, "none", "f"); }),
              HasSubstr("the key 'none' is missing"));
  EXPECT_THAT(error_of([&] { require<int64_t>(object, "x", "f"); }),
              HasSubstr("'x' must be a whole number, got 0.5"));
  EXPECT_THAT(error_of([&] { require<int64_t>(object, "huge", "f"); }),
              HasSubstr("'huge' must be a whole number"));
  EXPECT_THAT(error_of([&] { require<std::string>(object, "n", "f"); }),
              HasSubstr("'n' must be a text, got 3"));
}

TEST(JsonKeys, GetOrFallsBackOnlyWhenAbsentOrNull) {
  const Json object = {{"n", 3}, {"b", true}, {"none", nullptr}};
  EXPECT_EQ(get_or<int64_t>(object, "absent", 7, "f"), 7);
  EXPECT_EQ(get_or<int64_t>(object, "none", 7, "f"), 7);
  EXPECT_EQ(get_or<int64_t>(object, "n", 7, "f"), 3);
  EXPECT_EQ(get_or<bool>(object, "b", false, "f"), true);
  EXPECT_THAT(error_of([&] { get_or<bool>(object, "n", false, "f"); }),
              HasSubstr("'n' must be true or false, got 3"));
}

TEST_F(JsonFile, KeysThatStandTwiceAndDeepNestingNameTheFile) {
  const auto path = write(R"({"hidden_size": 1, "hidden_size": 2})");
  EXPECT_THAT(error_of([&] { read_json(path); }),
              AllOf(HasSubstr("the key 'hidden_size' stands twice"), HasSubstr(path.string())));
  write(std::string(200000, '['));
  EXPECT_THAT(error_of([&] { read_json(path); }),
              AllOf(HasSubstr("nested more than 128 deep"), HasSubstr(path.string())));
}

}  // namespace
}  // namespace mop
