// Templates are programs that come with a stranger's model: what they may cost, and arithmetic at
// its borders. What is computed is Python's.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "base/progress.h"
#include "kit/cpu_time.h"
#include "kit/random_model.h"
#include "kit/refusal.h"
#include "text/chat_template.h"
#include "text/jinja.h"

namespace mop {
namespace {

using mop::testing::refusal_of;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::string render(const std::string& source) {
  return JinjaTemplate(source).render(Json{{"x", "abcdef"}, {"l", {1, 2, 3}}});
}
std::string refusal(const std::string& source) {
  return refusal_of([&] { render(source); });
}
std::string repeated(const std::string& text, size_t times) {
  std::string all;
  for (size_t i = 0; i < times; ++i) all += text;
  return all;
}

constexpr const char* kLeast = "(-9223372036854775807 - 1)";

TEST(TemplateArithmetic, IsPythonsAtTheBordersOfItsNumbers) {
  const std::string least = kLeast;
  EXPECT_EQ(render("{{ " + least + " // 3 }} {{ " + least + " % 3 }}"), "-3074457345618258603 1");
  EXPECT_EQ(render("{{ " + least + " % -1 }} {{ " + least + " % 7 }}"), "0 6");
  EXPECT_EQ(render("{{ 9223372036854775807 // -2 }}"), "-4611686018427387904");
  EXPECT_EQ(render("{{ -7 // 2 }} {{ -7 % 2 }} {{ 7 // -2 }} {{ 7 % -2 }}"), "-4 1 -4 -1");
  EXPECT_THAT(refusal("{{ " + least + " // -1 }}"), HasSubstr("more than 63 bits"));
  EXPECT_THAT(refusal("{{ " + least + "|abs }}"), HasSubstr("more than 63 bits"));
  EXPECT_THAT(refusal("{{ -" + least + " }}"), HasSubstr("more than 63 bits"));
}

TEST(TemplateArithmetic, PowersOfOneEndAtOnce) {
  EXPECT_EQ(render("{{ (-1) ** 9223372036854775807 }} {{ 1 ** 9223372036854775806 }}"), "-1 1");
  EXPECT_EQ(render("{{ 0 ** 9223372036854775807 }} {{ 3 ** 39 }} {{ 2 ** 0 }}"),
            "0 4052555153018976267 1");
  EXPECT_THAT(refusal("{{ 2 ** 63 }}"), HasSubstr("more than 63 bits"));
}

TEST(TemplateArithmetic, NumbersThatDoNotFitAreRefusedOrReal) {
  EXPECT_THAT(refusal("{{ 99999999999999999999 }}"), HasSubstr("too large"));
  EXPECT_THAT(refusal("{{ l[99999999999999999999] }}"), HasSubstr("too large"));
  EXPECT_THAT(refusal("{{ '%d' % 1e300 }}"), HasSubstr("no whole number"));
  EXPECT_EQ(render("{{ '99999999999999999999'|int }}"), "0");
  EXPECT_EQ(render("{{ 1e-320|round(330) }}"), "0.0");
  EXPECT_THAT(refusal("{{ '1'|int(0, 77) }}"), HasSubstr("bases from 2 to 36"));
}

TEST(TemplateArithmetic, CountsAndLengthsMayBeAnyNumber) {
  const std::string least = kLeast;
  EXPECT_EQ(render("{{ x|truncate(9223372036854775807) }}"), "abcdef");
  EXPECT_EQ(render("{{ x|truncate(4, leeway=9223372036854775807) }}"), "abcdef");
  EXPECT_EQ(render("{{ 'aba'|replace('a', 'c', " + least + ") }}"), "cbc");
  EXPECT_EQ(render("{{ 'ab'.replace('', '-', " + least + ") }}"), "-a-b-");
  EXPECT_EQ(render("{{ 'a b c'.split(none, " + least + ")|length }}"), "3");
  EXPECT_EQ(render("{{ 'a b c'.rsplit(' ', " + least + ")|length }}"), "3");
  EXPECT_EQ(render("{{ 'a b c'.split(' ', 1)|length }}{{ 'a b c'.rsplit(none, 1)|first }}"),
            "2a b");
}

TEST(TemplateArithmetic, TwoSignsAreNoNumber) {
  EXPECT_EQ(render("{{ '--9223372036854775808'|int(7) }} {{ '--5'|int(7) }} {{ '+-5'|int(7) }}"),
            "7 7 7");
  EXPECT_EQ(render("{{ '+-1.5'|float(7) }} {{ '+1.5'|float }} {{ '-5'|int }}"), "7 1.5 -5");
}

TEST(TemplateArithmetic, StepsOfSlicesAndRangesMayBeAnyNumber) {
  EXPECT_EQ(render("{{ x[::9223372036854775807] }}{{ x[1::9223372036854775807] }}"), "ab");
  EXPECT_EQ(render("{{ x[::-9223372036854775807] }}"), "f");
  EXPECT_EQ(render("{{ x[" + std::string(kLeast) + ":] }}"), "abcdef");
  EXPECT_EQ(render("{{ range(0, 9223372036854775807, 9223372036854775806)|list }}"),
            "[0, 9223372036854775806]");
}

TEST(TemplateLimits, RangesAndPaddingsAreBounded) {
  EXPECT_THAT(refusal("{{ range(10**12) }}"), HasSubstr("more than 100000 numbers"));
  EXPECT_THAT(refusal("{{ range(100001) }}"), HasSubstr("more than 100000 numbers"));
  EXPECT_EQ(render("{{ range(100000)|length }}"), "100000");
  EXPECT_EQ(render("{{ l|tojson(indent=2000000000)|length }}").size(), 4u) << "a bounded indent";
  EXPECT_THAT(refusal("{{ l|tojson(indent=x * 1000) }}"), HasSubstr("indent by more than 1000"));
  EXPECT_THAT(refusal("{{ x|center(10**15) }}"), HasSubstr("cannot be padded"));
  EXPECT_THAT(refusal("{{ x.ljust(16000000, x * 100) }}"), HasSubstr("16 MiB"));
  EXPECT_THAT(refusal("{{ l|batch(10**15, 0)|list }}"), HasSubstr("batch"));
  EXPECT_THAT(refusal("{{ x * 10**12 }}"), HasSubstr("cannot repeat a text"));
  EXPECT_THAT(refusal("{{ (x * 100000).replace('a', x * 100000) }}"), HasSubstr("16 MiB"));
  EXPECT_THAT(refusal("{{ (l * 100000)|join(x * 100000) }}"), HasSubstr("16 MiB"));
}

TEST(TemplateLimits, StepsAreCounted) {
  const std::string loops =
      "{% set r = range(9999) %}{% for a in r %}{% for b in r %}{% endfor %}{% endfor %}";
  EXPECT_THAT(refusal("\n" + loops),
              AllOf(HasSubstr("takes more than 10000000 steps"), HasSubstr("template line: 2")));
  // Two values of 2^60 elements that share them.
  const std::string shared =
      "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(60) %}"
      "{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}";
  EXPECT_THAT(refusal(shared + "{{ ns.a == ns.b }}"), HasSubstr("steps"));
  EXPECT_THAT(refusal(shared + "{{ ns.a }}"), HasSubstr("steps"));
  EXPECT_THAT(refusal(shared + "{{ ns.a|tojson }}"), HasSubstr("steps"));
}

TEST(TemplateLimits, TextsThatDoubleEnd) {
  EXPECT_THAT(refusal("{% set ns = namespace(t='x') %}{% for i in range(100) %}"
                      "{% set ns.t = ns.t ~ ns.t %}{% endfor %}"),
              HasSubstr("MiB"));
  EXPECT_THAT(refusal("{% set t = x * 100000 %}{% for i in range(99999) %}{{ t }}{% endfor %}"),
              HasSubstr("16 MiB"));
  EXPECT_THAT(refusal("{% set ns = namespace(l=[]) %}{% for i in range(99999) %}"
                      "{% set ns.l = ns.l + [i] %}{% endfor %}"),
              HasSubstr("of texts and lists"));
}

// One text of a megabyte that many lists, loops and names hold.
TEST(TemplateLimits, CopiesOfAValueShareItsText) {
  const auto seconds = [](const std::string& source) {
    return testing::cpu_seconds([&] { render("{% set t = 'a' * 1048576 %}" + source); });
  };
  EXPECT_LT(seconds("{% set l = [t] * 100000 %}{{ l|length }}"), 1) << "not 100 GB";
  EXPECT_LT(seconds("{% set l = [t] %}{% for i in range(20000) %}{% if l[0] %}{% endif %}"
                    "{% endfor %}"),
            1);
  EXPECT_LT(seconds("{% set l = [{}[t]] * 20000 %}{{ l|length }}"), 1) << "an undefined value";
  EXPECT_LT(seconds("{% set l = [t|safe] * 20000 %}{{ l|length }}"), 1);
  EXPECT_LT(seconds("{% set ns = namespace(l=[]) %}{% for i in range(500) %}"
                    "{% set ns.l = ns.l + [joiner(t)] %}{% endfor %}"),
            1);
}

// What looks at all of a text, and gives little back.
TEST(TemplateLimits, LooksAtLongTextsAreCounted) {
  const std::string texts =
      "{% set l = ['a' * 1048575 + 'b', 'a' * 1048575 + 'c', ' ' * 1048576] %}"
      "{% if 'z' * 9600 in l[0] %}{% endif %}"  // takes nearly all steps at once
      "{% for i in range(1000) %}{% if ";
  for (const char* looks :
       {"l[0] == l[1]", "l[0] < l[1]", "l[0]|length", "l[0] is lower", "l[2].strip()",
        "l[0].startswith(l[1])", "l[0].startswith((l[1],))", "l[0].isalpha()", "l[0].isascii()",
        "l[0].endswith('x')", "''.ljust(16777216, '')", "l[0]|int", "''.ljust(0, l[0])"})
    EXPECT_THAT(refusal(texts + looks + " %}{% endif %}{% endfor %}"), HasSubstr("steps")) << looks;
}

TEST(TemplateLimits, TextsThatGrowInEachOtherAreCounted) {
  EXPECT_THAT(refusal("{% set t = 'a' * 8388608 %}{% macro m(n) %}{{ t }}{% if n %}{{ m(n - 1) }}"
                      "{% endif %}{% endmacro %}{{ m(150) }}"),
              HasSubstr("256 MiB of texts"));
  EXPECT_THAT(
      refusal("{% set d = dict(m=1, n=2) %}{% set ns = namespace(n=1) %}"
              "{% for i in range(99999) %}{% set l = [cycler(*range(9999))] %}{% endfor %}"),
      HasSubstr("256 MiB of texts"));
}

TEST(TemplateLimits, ARequestToStopEndsARendering) {
  const JinjaTemplate loops("{% for i in range(99999) %}{% endfor %}");
  const auto kind = [](const auto& work) {
    try {
      work();
    } catch (const Error& e) {
      return e.kind();
    }
    return ErrorKind::kInternal;
  };
  request_stop(2);
  EXPECT_EQ(kind([&] { loops.render(Json::object()); }), ErrorKind::kInterrupted);
  // It tries how it renders a text; that it was stopped is no answer.
  EXPECT_EQ(kind([] {
              ChatTemplate({{"default", "{{ image }}"}}, Json::object());
            }),
            ErrorKind::kInterrupted);
  request_stop(0);
  EXPECT_EQ(loops.render(Json::object()), "");
}

TEST(TemplateLimits, DepthIsBoundedWhereverItComesFrom) {
  EXPECT_THAT(refusal("{{ " + repeated("[", 3000) + repeated("]", 3000) + " }}"),
              HasSubstr("nested more than 200 deep"));
  EXPECT_THAT(refusal("{{ " + repeated("not ", 10000) + "x }}"), HasSubstr("200 deep"));
  EXPECT_THAT(refusal("{{ x" + repeated(" + x", 100000) + " }}"), HasSubstr("1000 operators"));
  EXPECT_THAT(refusal("{{ x" + repeated("|trim", 100000) + " }}"), HasSubstr("1000 operators"));
  EXPECT_THAT(refusal("{{ x" + repeated(".a", 100000) + " }}"), HasSubstr("1000 operators"));
  EXPECT_THAT(refusal("{{ x" + repeated(" or x", 100000) + " }}"), HasSubstr("1000 operators"));
  EXPECT_EQ(render("{{ 0" + repeated(" + 1", 900) + " }}"), "900");
  const std::string deep =
      "{% set ns = namespace(l=[]) %}{% for i in range(99999) %}"
      "{% set ns.l = [ns.l] %}{% endfor %}";
  EXPECT_THAT(refusal(deep), HasSubstr("nested more than 256 deep"));
}

// What real templates do to conversations of a megabyte.
TEST(TemplateLimits, LongConversationsAreFarFromThem) {
  Json messages = Json::array();
  for (int i = 0; i < 400; ++i)
    messages.push_back(
        {{"role", i % 2 == 0 ? "user" : "assistant"},
         {"content", std::string(3000, 'x') + "</think>\n" + std::string(500, 'y')}});
  const JinjaTemplate real(
      "{% for m in messages %}{% set c = m['content'] %}{% if '</think>' in c %}"
      "{% set c = c.split('</think>')[-1].lstrip('\\n') %}{% endif %}{% if c[:1] == 'y' and "
      "c[-1] == 'y' %}{{ '<|%s|>' % m.role + c | trim ~ '\\n' }}{% endif %}{% endfor %}");
  EXPECT_GT(real.render(Json{{"messages", messages}}).size(), 200000u);
}

// Each would be taken apart by recursion, or never.
TEST(TemplateLimits, ChainsAndCirclesOfNamespacesAreLetGo) {
  EXPECT_EQ(render("{% set ns = namespace(a=none) %}{% for i in range(99999) %}"
                   "{% set ns.a = namespace(a=ns.a) %}{% endfor %}-"),
            "-");
  EXPECT_EQ(render("{% set ns = namespace() %}{% set ns.a = [ns] %}{{ ns.a|length }}"), "1");
}

// A function that outlives the name of what it belongs to, under a sanitizer: it is still there.
TEST(TemplateObjects, LiveAsLongAsTheirFunctions) {
  EXPECT_EQ(render("{% set n = cycler('a', 'b').next %}{{ n() }}{{ n() }}{{ n() }}"), "aba");
  EXPECT_EQ(render("{% set c = cycler('a', 'b') %}{% set r = c.reset %}{{ c.next() }}"
                   "{% set c = none %}{{ r() }}"),
            "aNone");
  EXPECT_EQ(render("{% set ns = namespace() %}{% for i in l %}{% set ns.c = loop.changed %}"
                   "{{ loop.changed(loop) }}{% endfor %}{{ ns.c(1) }}{{ ns.c(1) }}"),
            "TrueFalseFalseTrueFalse");
  EXPECT_EQ(render("{% set ns = namespace() %}{% for i in [l] recursive %}{% set ns.l = loop %}"
                   "{% endfor %}{{ ns.l([]) }}-"),
            "-");
}

TEST(TemplateLimits, TextsOfMegabytesAreSplitAndCompiledInReasonableTime) {
  EXPECT_EQ(render("{{ ('a ' * 500000).split()|length }}"), "500000");
  for (const char* cut : {"('a ' * 8000000).split()", "(',' * 16000000).split(',')",
                          "('a\\n' * 8000000).splitlines()"})
    EXPECT_THAT(refusal(fmt::format("{{{{ {}|length }}}}", cut)), HasSubstr("of texts and lists"));
  EXPECT_EQ(render(repeated("{{ 1 }}\n", 60000)).size(), 60000u + 59999u);
  EXPECT_THAT(refusal(std::string((1 << 20) + 1, 'x')), HasSubstr("more than 1048576"));
}

TEST(TemplateLimits, TheErrorNamesTheTemplate) {
  const testing::TempFolder folder;
  write_file(folder.path() / "chat_template.jinja",
             "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}");
  const auto chat = read_chat_template(folder.path());
  EXPECT_THAT(
      refusal_of([&] { chat->render(Json::parse(R"([{"role": "user", "content": "x"}])")); }),
      AllOf(HasSubstr("the template makes more than"),
            HasSubstr("chat template of: " + folder.path().string())));
}

}  // namespace
}  // namespace mop
