#include "base/plain_text.h"

#include <gtest/gtest.h>

namespace mop {
namespace {

TEST(PlainText, KeepsWhatCanBeRead) {
  const std::string text = "a b\n\t\u00e9 \u4f60 \U0001f600 \u200d";
  EXPECT_EQ(plain_text(text), text);
  EXPECT_EQ(plain_text(""), "");
}

TEST(PlainText, WritesOutWhatATerminalObeys) {
  EXPECT_EQ(plain_text("\x1b[31mred\x07\r\b\x7f"), "\\x1b[31mred\\x07\\x0d\\x08\\x7f");
  EXPECT_EQ(plain_text(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(plain_text("\u009b1m"), "\\u009b1m") << "the same command in one letter";
  EXPECT_EQ(plain_text("\u202egnp.exe \u2066\u2028"), "\\u202egnp.exe \\u2066\\u2028");
}

TEST(PlainText, WritesOutBytesThatAreNoUtf8) {
  EXPECT_EQ(plain_text("\x9b"), "\\x9b");
  EXPECT_EQ(plain_text("a\xc3"), "a\\xc3");
  EXPECT_EQ(plain_text("\xc0\x80"), "\\xc0\\x80") << "too long a form";
  EXPECT_EQ(plain_text("\xed\xa0\x80"), "\\xed\\xa0\\x80") << "a surrogate";
  EXPECT_EQ(plain_text("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80") << "behind the last";
}

TEST(Shortened, KeepsTheBeginningAndSaysHowMuchFollows) {
  EXPECT_EQ(shortened("abc", 3), "abc");
  EXPECT_EQ(shortened("abcdef", 3), "abc... (3 bytes more)");
  EXPECT_EQ(shortened("ab\u00e9", 3), "ab... (2 bytes more)") << "no half letters";
}

}  // namespace
}  // namespace mop
