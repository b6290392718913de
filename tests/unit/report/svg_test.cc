#include "report/svg.h"

#include <gmock/gmock.h>

namespace mop {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(SvgText, NothingOfAStrangersNameIsMarkup) {
  EXPECT_EQ(escaped("<script>\"&'"), "&lt;script&gt;&quot;&amp;&#39;");
  EXPECT_EQ(escaped("a\x1b[31m"), "a\\x1b[31m") << "control characters are spelled out";
  Svg svg(10, 10, "<b>\"");
  svg.text(0, 0, "</text><script>");
  svg.begin("</title>");
  svg.end();
  EXPECT_THAT(svg.str(), HasSubstr("aria-label=\"&lt;b&gt;&quot;\""));
  EXPECT_THAT(svg.str(), HasSubstr(">&lt;/text&gt;&lt;script&gt;</text>"));
  EXPECT_THAT(svg.str(), HasSubstr("<title>&lt;/title&gt;</title>"));
  EXPECT_THAT(svg.str(), Not(HasSubstr("<script>")));
}

TEST(SvgText, LengthsHaveOneDecimalAtMost) {
  EXPECT_EQ(coordinate(12), "12");
  EXPECT_EQ(coordinate(3.46), "3.5");
  EXPECT_EQ(coordinate(-0.04), "0");
  EXPECT_EQ(coordinate(-2.25), "-2.3");
}

TEST(SvgText, MarksAreDrawnInOrder) {
  Svg svg(20, 10, "two marks");
  svg.rect(1, 2, 3, 4, "k");
  SvgPath path;
  path.move(0, 0);
  path.line(5, 2.5);
  svg.path(path.str(), "l");
  svg.path("", "l");
  EXPECT_EQ(svg.str(),
            "<svg viewBox=\"0 0 20 10\" width=\"20\" height=\"10\" role=\"img\" "
            "aria-label=\"two marks\"><rect x=\"1\" y=\"2\" width=\"3\" height=\"4\" "
            "class=\"k\"/><path d=\"M0 0L5 2.5\" class=\"l\"/></svg>");
}

}  // namespace
}  // namespace mop
