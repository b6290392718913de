// YAML that is small on disk and large, deep or slow once it is read.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"

namespace mop {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

std::string error_of(const std::string& yaml) {
  try {
    parse_yaml(yaml, "recipe.yaml");
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
    return e.what();
  }
  return "no error";
}

// A list of ten; then lists that name the one before ten times.
std::string aliases_of_aliases(int levels, const std::string& item) {
  std::string yaml = "a0: &a0 [";
  for (int i = 0; i < 10; ++i) yaml += item + ",";
  yaml += "]\n";
  for (int level = 1; level < levels; ++level) {
    yaml += fmt::format("a{}: &a{} [", level, level);
    for (int i = 0; i < 10; ++i) yaml += fmt::format("*a{},", level - 1);
    yaml += "]\n";
  }
  return yaml;
}

TEST(BadYaml, AliasesThatStandForMillionsOfValuesAreRefused) {
  EXPECT_THAT(error_of(aliases_of_aliases(6, "1")),
              AllOf(HasSubstr("the YAML holds more than 1024 KiB of values, each alias counted"),
                    HasSubstr("recipe.yaml")));
}

TEST(BadYaml, AFewAliasesOfALongTextAreRefused) {
  const std::string text = std::string(100'000, 'x');
  EXPECT_THAT(error_of("a: &a " + text + "\nb: [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]\n"),
              HasSubstr("holds more than 1024 KiB of values"));
  std::string keys = "a: &a {" + std::string(1000, 'k') + ": 1}\nb: [";
  for (int i = 0; i < 1200; ++i) keys += "*a,";
  EXPECT_THAT(error_of(keys + "]\n"), HasSubstr("holds more than 1024 KiB of values"));
}

TEST(BadYaml, ALargeFileIsRefusedUnread) {
  EXPECT_THAT(error_of(std::string(size_t{2} << 20, '[')),
              HasSubstr("holds more than 1024 KiB of values"));
}

TEST(BadYaml, DeepNestingIsAnError) {
  for (const char* open : {"[", "{a: ", "- ", "? ", "!x [", "&a [ *a, "}) {
    std::string yaml;
    while (yaml.size() < 100'000) yaml += open;
    EXPECT_NE(error_of(yaml), "no error") << open;
  }
}

TEST(BadYaml, AliasesOfAnOrdinaryKindAreRead) {
  EXPECT_EQ(parse_yaml("a: &x [1, 2]\nb: *x\n", "recipe.yaml").dump(), R"({"a":[1,2],"b":[1,2]})");
}

}  // namespace
}  // namespace mop
