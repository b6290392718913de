// The parts of a tokenizer.json one by one, small enough to check by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "kit/refusal.h"
#include "text/added_tokens.h"
#include "text/decoders.h"
#include "text/normalizers.h"
#include "text/pattern.h"
#include "text/post_processor.h"
#include "text/pre_tokenizers.h"

namespace mop {
namespace {

using mop::testing::refusal_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> words(const char* part, const std::string& text, bool at_start = true) {
  std::vector<std::string> texts;
  for (const Word& word : make_pre_tokenizer(PartJson::parse(part))({{text, at_start}}))
    texts.push_back(word.text);
  return texts;
}

TEST(Pattern, FindsLiteralsAndRegexes) {
  EXPECT_EQ(Pattern::literal("aa").find_all("aaaab").size(), 2u);
  EXPECT_THAT(Pattern::literal("").find_all("ab"), IsEmpty());
  const auto found = Pattern::regex(R"(\s+(?!\S)|\s+)").find_all("a   b ");
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(found[0].end, 3u);
}

TEST(Pattern, SpaceAndWordAreThoseOfTheReference) {
  EXPECT_THAT(Pattern::regex(R"(\s)").find_all("\u180e\x1c"), IsEmpty());
  EXPECT_EQ(Pattern::regex(R"([\s])").find_all("\u0085\u3000").size(), 2u);
  EXPECT_EQ(Pattern::regex(R"(\w+)").find_all("a\u0301\u203f1").size(), 1u);
  EXPECT_EQ(Pattern::regex(R"([^\W]+)").find_all("ab").size(), 1u);
}

// Expected matches are those of the reference.
TEST(Pattern, ClassesOfPosixAreThoseOfTheReference) {
  const auto count = [](const char* regex, const char* text) {
    return Pattern::regex(regex).find_all(text).size();
  };
  EXPECT_EQ(count(R"([[:digit:]\s])", "a1 b2  c"), 5u) << "behind its bracket the class goes on";
  EXPECT_EQ(count("[[:upper:][:lower:]_]", "aA\u00e9\u00c9\u6f22_1"), 5u);
  EXPECT_EQ(count("[^[:space:]]", "a \u180e\u0085b"), 3u);
  EXPECT_EQ(count("[[:alpha:]]", "a\u0345\u24b6\u00b2"), 3u);
  EXPECT_EQ(count("[[:alnum:]]", "a1_\u2167\u0663\u00b2"), 4u);
  EXPECT_EQ(count("[[:punct:]]", "a+$.-_\u00bf\u20ac"), 7u);
  EXPECT_EQ(count("[[:blank:]]", "\t\n \u00a0\u3000\u180e"), 4u);
  EXPECT_EQ(count("[]a[:xdigit:]]+x", "]a0f]x"), 1u);
  EXPECT_EQ(count(R"([a\[]:)", "[:a:b:"), 2u);
}

TEST(Pattern, ClassesInClassesAreRefused) {
  for (const char* regex : {"[0-9[,]]", "[a[^b]]", "[[]", "[a[]", "[[:foo:]]", "[[:^digit:]]",
                            "[[:graph:]]", "[[:digit:", "[a[:]"})
    EXPECT_THAT(refusal_of([&] { Pattern::regex(regex); }), HasSubstr("has a class in a class"))
        << regex;
}

// Expected texts are those of the reference.
TEST(Pattern, EmptyMatchesAndLineEndsAreThoseOfTheReference) {
  const auto replaced = [](const char* regex, const char* text) {
    return Pattern::regex(regex).replace_all(text, "-");
  };
  EXPECT_EQ(replaced("x*", "axxb"), "-a-b-");
  EXPECT_EQ(replaced("x*", "xé"), "-é-");
  EXPECT_EQ(replaced("^", "a\nb"), "-a\n-b");
  EXPECT_EQ(replaced("$", "a\nb\n"), "a-\nb-\n-");
  EXPECT_EQ(replaced("(?=b)", "abab"), "a-ba-b");
  EXPECT_EQ(replaced("x?", ""), "");
  EXPECT_EQ(replaced("\\h", "ag"), "-g");
}

TEST(Pattern, RefusesWhatItCannotDo) {
  EXPECT_THAT(refusal_of([] { Pattern::regex("(a"); }),
              HasSubstr("'(a' is not understood: missing closing parenthesis"));
  EXPECT_THAT(refusal_of([] { Pattern::regex(R"([\p{L}&&\p{Lu}])"); }),
              HasSubstr("intersects classes"));
}

TEST(PreTokenizers, SplitKnowsAllBehaviours) {
  const auto split = [](const std::string& behavior) {
    const std::string part =
        R"({"type": "Split", "pattern": {"String": "-"}, "invert": false, "behavior": ")" +
        behavior + "\"}";
    return words(part.c_str(), "the-final--countdown");
  };
  EXPECT_THAT(split("Removed"), ElementsAre("the", "final", "countdown"));
  EXPECT_THAT(split("Isolated"), ElementsAre("the", "-", "final", "-", "-", "countdown"));
  EXPECT_THAT(split("MergedWithPrevious"), ElementsAre("the-", "final-", "-", "countdown"));
  EXPECT_THAT(split("MergedWithNext"), ElementsAre("the", "-final", "-", "-countdown"));
  EXPECT_THAT(split("Contiguous"), ElementsAre("the", "-", "final", "--", "countdown"));
}

TEST(PreTokenizers, MetaspaceMarksTheStart) {
  const char* first =
      R"({"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": true})";
  EXPECT_THAT(words(first, "a b"), ElementsAre("▁a", "▁b"));
  EXPECT_THAT(words(first, "a b", /*at_start=*/false), ElementsAre("a", "▁b"));
  EXPECT_THAT(words(first, " a"), ElementsAre("▁a"));
  const char* old = R"({"type": "Metaspace", "replacement": "▁", "add_prefix_space": false})";
  EXPECT_THAT(words(old, "a b"), ElementsAre("a", "▁b"));
}

TEST(PreTokenizers, DigitsWhitespaceAndByteLevel) {
  EXPECT_THAT(words(R"({"type": "Digits", "individual_digits": true})", "a12Ⅷ"),
              ElementsAre("a", "1", "2", "Ⅷ"));
  EXPECT_THAT(words(R"({"type": "Digits", "individual_digits": false})", "a12b"),
              ElementsAre("a", "12", "b"));
  EXPECT_THAT(words(R"({"type": "Whitespace"})", "Hey, you!"), ElementsAre("Hey", ",", "you", "!"));
  EXPECT_THAT(words(R"({"type": "ByteLevel", "add_prefix_space": true})", "it's 12"),
              ElementsAre("Ġit", "'s", "Ġ12"));
}

TEST(PreTokenizers, RefuseUnknownTypesAndNameTheKnown) {
  const std::string text =
      refusal_of([] { make_pre_tokenizer(PartJson::parse(R"({"type": "UnicodeScripts"})")); });
  EXPECT_THAT(text, HasSubstr("pre-tokenizer 'UnicodeScripts' is not supported"));
  EXPECT_THAT(text, HasSubstr("known: Sequence, ByteLevel, Split, Metaspace"));
  const char* odd = R"({"type": "Split", "pattern": {"String": "-"}, "behavior": "Sideways"})";
  EXPECT_THAT(refusal_of([&] { make_pre_tokenizer(PartJson::parse(odd)); }),
              HasSubstr("'Sideways' is not known"));
}

TEST(Normalizers, RunInOrder) {
  const auto normalize = make_normalizer(PartJson::parse(R"({"type": "Sequence", "normalizers": [
      {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]})"));
  EXPECT_EQ(normalize("a b"), "▁a▁b");
  EXPECT_EQ(normalize(""), "");
  EXPECT_EQ(make_normalizer(nullptr)("as it is"), "as it is");
  EXPECT_THAT(refusal_of([] { make_normalizer(PartJson::parse(R"({"type": "BertNormalizer"})")); }),
              HasSubstr("normalizer 'BertNormalizer' is not supported"));
  EXPECT_THAT(refusal_of([] {
                make_normalizer(PartJson::parse(R"({"type": "Strip", "strip_left": "yes"})"));
              }),
              HasSubstr("`strip_left` has the wrong type"));
}

TEST(Decoders, ByteTokensBecomeTheirText) {
  EXPECT_THAT(join_byte_tokens({"a", "<0xC3>", "<0xA9>", "b"}), ElementsAre("a", "é", "b"));
  EXPECT_THAT(join_byte_tokens({"<0xC3>", "x", "<0xGG>"}), ElementsAre("\uFFFD", "x", "<0xGG>"));
  EXPECT_THAT(join_byte_tokens({"<0xC3>", "<0x41>"}), ElementsAre("\uFFFD", "\uFFFD"));
}

TEST(Decoders, WithoutOneTokensAreSeparatedByBlanks) {
  EXPECT_EQ(join_texts(make_decoder(nullptr)({"a", "b"})), "a b");
}

TEST(PostProcessor, TemplatesStandAroundTheText) {
  const Surround around =
      read_post_processor(PartJson::parse(R"({"type": "Sequence", "processors": [
      {"type": "ByteLevel"},
      {"type": "TemplateProcessing",
       "single": [{"SpecialToken": {"id": "<s>"}}, {"Sequence": {"id": "A"}}, {"SpecialToken": {"id": "</s>"}}],
       "special_tokens": {"<s>": {"ids": [1]}, "</s>": {"ids": [2, 3]}}}]})"));
  EXPECT_THAT(around.before, ElementsAre(1));
  EXPECT_THAT(around.after, ElementsAre(2, 3));
  const char* broken =
      R"({"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>"}}]})";
  EXPECT_THAT(refusal_of([&] { read_post_processor(PartJson::parse(broken)); }),
              HasSubstr("the template names '<s>', which its `special_tokens` do not explain"));
}

TEST(AddedTokens, LongestOfTheLeftmost) {
  std::vector<AddedToken> tokens(2);
  tokens[0].content = "<s>";
  tokens[1].content = "<s>>";
  const AddedTokenFinder finder(
      tokens, [](auto&) { return true; }, [](auto& t) { return t.content; });
  const auto segments = finder.split("a<s>><s>b");
  ASSERT_EQ(segments.size(), 4u);
  EXPECT_EQ(segments[1].token, &tokens[1]);
  EXPECT_EQ(segments[2].token, &tokens[0]);
  EXPECT_EQ(segments[3].begin, 8u);
  EXPECT_THAT(finder.split(""), IsEmpty());
}

TEST(AddedTokens, TakeBlanksAlongAndRespectWords) {
  std::vector<AddedToken> tokens(2);
  tokens[0].content = "<m>";
  tokens[0].lstrip = tokens[0].rstrip = true;
  tokens[1].content = "[W]";
  tokens[1].single_word = true;
  const AddedTokenFinder finder(
      tokens, [](auto&) { return true; }, [](auto& t) { return t.content; });
  const auto segments = finder.split("a \u3000<m>\n b");
  ASSERT_EQ(segments.size(), 3u);
  EXPECT_EQ(segments[0].end, 1u);
  EXPECT_EQ(segments[2].begin, 10u);
  EXPECT_EQ(finder.split("x[W]").size(), 1u);
  EXPECT_EQ(finder.split(" [W].").size(), 3u);
}

}  // namespace
}  // namespace mop
