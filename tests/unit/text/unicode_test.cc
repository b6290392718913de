#include "text/unicode.h"

#include <gtest/gtest.h>

#include "text/byte_alphabet.h"

namespace mop {
namespace {

// Expected texts are those of Python: bytes.decode(errors="replace").
TEST(Unicode, ReplacesEveryMaximalIllFormedPieceByOneMark) {
  EXPECT_EQ(replace_invalid_utf8("a\xFFz"), "a\uFFFDz");
  EXPECT_EQ(replace_invalid_utf8("\xE4\xB8"), "\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xE4\xB8z"), "\uFFFDz");
  EXPECT_EQ(replace_invalid_utf8("\xC0\xAF"), "\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xED\xA0\x80"), "\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xF0\x9F\x98"), "\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xF0\x80\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("\xF4\x90\x80\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(replace_invalid_utf8("a\u00e9\u4e2d\U0001F600"), "a\u00e9\u4e2d\U0001F600");
}

TEST(Unicode, KnowsWellFormedText) {
  EXPECT_TRUE(is_valid_utf8(std::string("a\0é😀", 8)));
  EXPECT_FALSE(is_valid_utf8("\x80"));
  EXPECT_FALSE(is_valid_utf8("\xF0\x9F\x98"));
  EXPECT_FALSE(is_valid_utf8("\xED\xBF\xBF"));
}

TEST(Unicode, CodePointsAreReadFromBothSides) {
  const std::string text = "aé中😀";
  EXPECT_EQ(code_point_at(text, 1).value, 0xE9u);
  EXPECT_EQ(code_point_at(text, 3).value, 0x4E2Du);
  EXPECT_EQ(code_point_before(text, text.size()).value, 0x1F600u);
  EXPECT_EQ(code_point_before(text, 3).bytes, 2u);
}

TEST(Unicode, NormalForms) {
  EXPECT_EQ(to_normal_form("e\u0301", NormalForm::kC), "\u00e9");
  EXPECT_EQ(to_normal_form("\u00e9", NormalForm::kD), "e\u0301");
  EXPECT_EQ(to_normal_form("\ufb01", NormalForm::kC), "\ufb01");
  EXPECT_EQ(to_normal_form("\ufb01", NormalForm::kKC), "fi");
  EXPECT_EQ(to_normal_form(std::string("a\0b", 3), NormalForm::kC), std::string("a\0b", 3));
  EXPECT_EQ(to_normal_form("", NormalForm::kC), "");
}

TEST(Unicode, LowerCaseHasNoContext) { EXPECT_EQ(to_lower_case("ΣΑΣ İ"), "σασ i\u0307"); }

TEST(ByteAlphabet, GoesThereAndBack) {
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  EXPECT_EQ(from_byte_alphabet(to_byte_alphabet(all)), all);
  EXPECT_EQ(to_byte_alphabet(" a\n"), "\u0120a\u010a");
  EXPECT_FALSE(from_byte_alphabet("中").has_value());
}

}  // namespace
}  // namespace mop
