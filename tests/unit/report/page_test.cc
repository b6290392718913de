#include "report/page.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "report/comparison.h"
#include "report/svg.h"

namespace mop {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

RunReport small_run(const std::string& name, int64_t parameters, double perplexity) {
  RunReport run;
  run.name = name;
  run.verb = "prune";
  run.model = "<img src=x onerror=alert(1)>";
  run.method = "width \"&\"";
  run.dense_parameters = 1000;
  run.parameters = parameters;
  run.source_fingerprint = "f";
  run.judged_on = "text";
  run.judged = {{"dense", 3, 0}, {"pruned", perplexity, 0.25}};
  run.program = "mop 0";
  return run;
}

TEST(HtmlPage, IsOneFileThatLoadsAndRunsNothing) {
  const std::string html = html_page(run_page(small_run("a", 800, 4)));
  EXPECT_THAT(html, HasSubstr("default-src 'none'"));
  for (const char* loads : {"<script", "<link", " src=\"", "url(", "@import", "href="}) {
    EXPECT_THAT(html, Not(HasSubstr(loads)));
  }
}

TEST(HtmlPage, EscapesWhatOthersNamed) {
  RunReport run = small_run("</h2>", 800, 4);
  run.recipe = "</pre><b>";
  run.maps = {{"</figcaption>", "<u>", "<l>", {{.name = "<0>", .units = 2}}}};
  for (const std::string& html :
       {html_page(run_page(run)),
        html_page(comparison_page(std::vector{run, run}, {}, "<program>"))}) {
    EXPECT_THAT(html, Not(HasSubstr("<img")));
    EXPECT_THAT(html, Not(HasSubstr("<b>")));
    EXPECT_THAT(html, Not(HasSubstr("<u>")));
    EXPECT_THAT(html, Not(HasSubstr("<program>")));
    EXPECT_THAT(html, HasSubstr("&lt;img src=x onerror=alert(1)&gt;"));
  }
}

TEST(HtmlPage, EveryFigureHasATable) {
  const std::string html = html_page(run_page(small_run("a", 800, 4)));
  EXPECT_THAT(html, HasSubstr("<td>parameters</td><td class=\"n\">1,000</td>"));
  EXPECT_THAT(html, HasSubstr("-20.0%"));
  EXPECT_THAT(html, HasSubstr("<caption>In numbers</caption>"));
}

TEST(HtmlPage, SaysThatARunHasNotFinishedAndThatAFigureIsNotFinite) {
  RunReport run = small_run("a", 800, NAN);
  run.finished = false;
  const std::string html = html_page(run_page(run));
  EXPECT_THAT(html, HasSubstr("has not finished"));
  EXPECT_THAT(html, HasSubstr("<td>perplexity, pruned</td><td class=\"n\">3.00</td>"
                              "<td class=\"n\">-</td>"));
  EXPECT_THAT(html, Not(HasSubstr("nan")));
}

TEST(SvgFile, HoldsTheDrawingsTwoAbreast) {
  Svg one(358, 100, "one"), two(358, 40, "two");
  const std::string svg = svg_file({one.str(), "", two.str(), two.str()});
  EXPECT_THAT(svg, HasSubstr("<svg x=\"0\" y=\"0\" viewBox=\"0 0 358 100\""));
  EXPECT_THAT(svg, HasSubstr("<svg x=\"386\" y=\"0\" viewBox=\"0 0 358 40\""));
  EXPECT_THAT(svg, HasSubstr("<svg x=\"0\" y=\"128\" viewBox=\"0 0 358 40\""));
  EXPECT_THAT(svg, HasSubstr("viewBox=\"-8 -4 760 176\""));
}

TEST(Comparison, HasARowARunAndTheDenseModelAsAPoint) {
  const std::vector<RunReport> runs = {small_run("a", 800, 4), small_run("b", 700, 6)};
  const Page page = comparison_page(runs, {}, "mop 0");
  ASSERT_FALSE(page.sections.empty());
  const ReportFigure& figure = page.sections[0].figures.at(0);
  EXPECT_THAT(figure.svg, HasSubstr("dense: 1,000 parameters, perplexity 3.00"));
  EXPECT_THAT(figure.svg, HasSubstr("b: 700 parameters, perplexity 6.00"));
  EXPECT_THAT(page.warnings, IsEmpty());
  EXPECT_EQ(csv(comparison_rows(runs)),
            "run,verb,model,method,seed,parameters,block_parameters,dense_parameters,"
            "removed_fraction,block_removed_fraction,dense_perplexity,perplexity,kl,judged_on,"
            "finished\n"
            "a,prune,<img src=x onerror=alert(1)>,\"width \"\"&\"\"\",0,800,0,1000,"
            "0.19999999999999996,,3.0,4.0,0.25,text,true\n"
            "b,prune,<img src=x onerror=alert(1)>,\"width \"\"&\"\"\",0,700,0,1000,"
            "0.30000000000000004,,3.0,6.0,0.25,text,true\n");
}

TEST(Comparison, KeepsFiguresOfOtherTextsApart) {
  std::vector<RunReport> runs = {small_run("a", 800, 4), small_run("b", 700, 6)};
  runs[1].judged_on = "another";
  const Page page = comparison_page(runs, {}, "mop 0");
  EXPECT_THAT(page.warnings, ::testing::Contains(HasSubstr("2 different models or texts")));
  EXPECT_THAT(page.sections[0].figures.at(0).svg, Not(HasSubstr("a: 800")));
  EXPECT_THAT(page.sections[0].figures.at(1).svg, Not(HasSubstr("b: 700")));
}

TEST(Measurements, AreKnownByTheirKeys) {
  EXPECT_EQ(
      measurement_of({{"results", Json::object()}, {"mop", {}}, {"model_name", "m/a"}}, "f").name,
      "a");
  const Json alone = {{"protocol", "lines"}, {"perplexity", 3.0}};
  try {
    measurement_of(alone, "one.json");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("measure it with --vs DENSE"));
    EXPECT_THAT(e.what(), HasSubstr("one.json"));
  }
  EXPECT_THROW(measurement_of(Json::array(), "f"), Error);
}

TEST(Measurements, OfTasksBecomePointsByParameters) {
  const Json json = {
      {"results", {{"piqa", {{"acc,none", 0.625}, {"acc_stderr,none", 0.01}, {"alias", "x"}}}}},
      {"mop", Json::object()},
      {"config", {{"model_num_parameters", 5000}}},
      {"model_name", "runs/a/"}};
  const auto figures = sized_figures(measurement_of(json, "f"));
  ASSERT_EQ(figures.size(), 1U);
  EXPECT_EQ(figures[0].what, "piqa, acc");
  EXPECT_EQ(figures[0].parameters, 5000);
  EXPECT_EQ(figures[0].value, 0.625);
  EXPECT_EQ(figures[0].error, 0.01);
}

TEST(LatencyFigures, ShowWhatWasMeasuredAndFitted) {
  RunReport run = small_run("a", 800, 4);
  EXPECT_TRUE(latency_figures(run.latency).empty());
  run.latency = {
      .outside = 0.001, .attention = 0.0002, .kv_group = 0.00005, .mlp = 0, .neuron = 1e-6};
  run.latency.samples = {
      {2, 4, 0, 0, 0.0017}, {2, 2, 0, 0, 0.0015}, {0, 0, 0, 0, 0.001}, {0, 0, 2, 600, 0.0016}};
  EXPECT_DOUBLE_EQ(run.latency.fitted(run.latency.samples[0]), 0.0016);
  const std::vector<ReportFigure> figures = latency_figures(run.latency);
  ASSERT_EQ(figures.size(), 2);
  EXPECT_EQ(figures[0].title, "Time by KV groups");
  EXPECT_THAT(figures[0].svg,
              ::testing::HasSubstr("4 KV groups: 1.70 ms measured, 1.60 ms fitted"));
  EXPECT_THAT(figures[1].svg, ::testing::HasSubstr("600 neurons"));
  EXPECT_EQ(figures[0].table.rows().size(), 4);
  EXPECT_THAT(html_page(run_page(run)), ::testing::HasSubstr("What units cost in time"));
}

std::string page_of_column(const std::vector<std::string>& cells) {
  Table table({"x"});
  for (const std::string& cell : cells) table.add({cell});
  return html_page({.title = "t", .sections = {{.title = "s", .figures = {{.table = table}}}}});
}

TEST(HtmlPage, ColumnsOfQuantitiesAreRightAligned) {
  constexpr const char* kRight = "<th class=\"n\">x</th>";
  EXPECT_THAT(page_of_column({"4,196", "-12.5%", "", "1e-05", "4.61 kB", "3 s", "2 ms", "7 B"}),
              HasSubstr(kRight));
  for (const char* word : {"a", "1 x", "1 kBs", "1  s", "s"}) {
    EXPECT_THAT(page_of_column({"1", word}), Not(HasSubstr(kRight))) << word;
  }
}

// A name is another program's and has any length.
TEST(HtmlPage, ACellOfAMillionDigitsIsOneOfMany) {
  EXPECT_THAT(page_of_column({std::string(1'000'000, '1')}), HasSubstr("<th class=\"n\">x</th>"));
}

TEST(MeasurementPage, OfABenchWhoseRatiosHaveAnotherFormIsStillDrawn) {
  for (const char* ratios : {R"({"token": {"median": 1}})", "[]", "[5]", "\"x\""}) {
    const Json json = Json::parse(fmt::format(
        R"({{"models": [{{"model": "a", "weight_bytes": 2}}, 3], "ratios": {}}})", ratios));
    EXPECT_THAT(html_page(measurement_page(measurement_of(json, "b.json"), "mop bench", "mop 0")),
                HasSubstr("Times and memory"))
        << ratios;
  }
}

}  // namespace
}  // namespace mop
