#include <gmock/gmock.h>

#include <set>

#include "report/chart.h"
#include "report/dot_plot.h"
#include "report/score_picture.h"
#include "report/unit_map.h"

namespace mop {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

size_t count(const std::string& text, const std::string& part) {
  size_t found = 0;
  for (size_t at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++found;
  return found;
}

TEST(ChartPicture, LeavesOutWhatIsNotFiniteAndBreaksTheLineThere) {
  Chart chart;
  ChartSeries series{.name = "loss"};
  series.points = {{.x = 1, .y = 2}, {.x = 2, .y = NAN}, {.x = 3, .y = 4}};
  chart.series = {series};
  const std::string svg = chart_svg(chart);
  EXPECT_EQ(count(svg, "<circle"), 2U);
  const size_t path = svg.find("<path d=\"M");
  ASSERT_NE(path, svg.npos);
  EXPECT_EQ(count(svg.substr(path, svg.find("/>", path) - path), "M"), 2U);
  EXPECT_THAT(svg, HasSubstr(">loss</text>"));
}

TEST(ChartPicture, OfNothingIsEmpty) {
  Chart chart;
  EXPECT_THAT(chart_svg(chart), IsEmpty());
  chart.series = {{.name = "a", .points = {{.x = 1, .y = NAN}}}};
  EXPECT_THAT(chart_svg(chart), IsEmpty());
  chart.y.logarithmic = true;
  chart.series[0].points = {{.x = 1, .y = 0}};
  EXPECT_THAT(chart_svg(chart), IsEmpty());
}

TEST(ChartPicture, LabelsOfOnePlaceDoNotCoverEachOther) {
  Chart chart;
  for (int i = 0; i < 3; ++i) {
    chart.series.push_back({.name = "",
                            .joined = false,
                            .points = {{.x = 1, .y = 2, .label = "run" + std::to_string(i)}}});
  }
  chart.series.push_back({.name = "", .points = {{.x = 3, .y = 5}}});
  const std::string svg = chart_svg(chart);
  std::set<std::string> places;
  for (int i = 0; i < 3; ++i) {
    const size_t label = svg.find(">run" + std::to_string(i) + "<");
    if (label == svg.npos) continue;
    EXPECT_TRUE(places.insert(svg.substr(svg.rfind("<text", label), 25)).second);
  }
  EXPECT_THAT(places, SizeIs(::testing::Ge(2)));
}

UnitMap small_map() {
  UnitMap map{"MLP: neurons", "neurons", "layer", {}};
  map.rows = {{.name = "0", .units = 8, .removed = {{1, 2, 1}, {5, 5, 2}}},
              {.name = "1", .units = 8, .gone = UnitRow::Gone::kHalf, .gone_step = 1},
              {.name = "2", .units = 8, .gone = UnitRow::Gone::kWhole, .gone_step = 2}};
  return map;
}

TEST(UnitMapPicture, ShowsUnitsHalvesAndLayersThatWent) {
  const std::string svg = unit_map_svg(small_map());
  EXPECT_THAT(svg, HasSubstr("layer 0: 5 of 8 neurons left; went: 1-2 (step 1); 5 (step 2)"));
  EXPECT_THAT(svg, HasSubstr("layer 1: 0 of 8 neurons left; went: all, with their half (step 1)"));
  EXPECT_THAT(svg, HasSubstr("went: all, with the layer (step 2)"));
  // 8 cells of 29 pixels each behind a margin of 26: units 1 and 2, then 5.
  EXPECT_THAT(svg, HasSubstr("<path d=\"M55 36h58v14h-58zM171 36h29v14h-29z\" class=\"x4\"/>"));
  EXPECT_EQ(count(svg, "class=\"gh\""), 2U) << "one row and the legend";
  EXPECT_EQ(count(svg, "class=\"gl\""), 2U);
}

TEST(UnitMapPicture, ColumnsOfManyUnitsAreShadedByTheirFraction) {
  UnitMap map{"", "neurons", "layer", {{.name = "0", .units = 7700}}};
  map.rows[0].removed = {{0, 49, 1}, {100, 199, 1}};  // half of the first column, all of the second
  const std::string svg = unit_map_svg(map);
  EXPECT_THAT(svg, HasSubstr("class=\"x2\""));
  EXPECT_THAT(svg, HasSubstr("class=\"x4\""));
}

TEST(UnitMapPicture, OfEightyLayersOfAnyWidthIsSmall) {
  UnitMap map{"", "neurons", "layer", {}};
  for (int layer = 0; layer < 80; ++layer) {
    UnitRow row{.name = std::to_string(layer), .units = 28672};
    for (int64_t unit = layer; unit + 1 < row.units; unit += 7) {
      row.removed.push_back({unit, unit + unit % 5 % 3, 1});
    }
    map.rows.push_back(row);
  }
  EXPECT_LT(unit_map_svg(map).size(), 250'000U);
}

TEST(UnitMapPicture, TheTableHasARowALayer) {
  const Table table = unit_map_table(small_map());
  ASSERT_THAT(table.rows(), SizeIs(3));
  EXPECT_THAT(table.rows()[0], ElementsAre("0", "8", "5", "1-2 (step 1); 5 (step 2)"));
  EXPECT_THAT(table.rows()[2], ElementsAre("2", "8", "0", "all, with the layer (step 2)"));
}

TEST(UnitMapPicture, OfOneLayerOrNoneWorks) {
  EXPECT_THAT(unit_map_svg({}), IsEmpty());
  UnitMap map{"", "neurons", "layer", {{.name = "0", .units = 1}}};
  EXPECT_THAT(unit_map_svg(map), HasSubstr("1 of 1 neurons left"));
}

TEST(ScorePicture, CountsStandInItsTable) {
  ScoreCounts counts{.criterion = "amp-neurons", .unit = "neuron", .step = 1};
  counts.logarithmic = true;
  counts.edges = {0.1, 1, 10};
  counts.kept = {0, 7};
  counts.removed = {4, 1};
  counts.removed_below = 2;
  EXPECT_THAT(score_svg(counts), HasSubstr("tallest bar: 8"));
  const Table table = score_table(counts);
  ASSERT_THAT(table.rows(), SizeIs(3));
  EXPECT_THAT(table.rows()[0], ElementsAre("", "0.100", "0", "2"));
  EXPECT_THAT(table.rows()[2], ElementsAre("1.00", "10.0", "7", "1"));
  counts.kept = {0, 0};
  counts.removed = {0, 0};
  counts.removed_below = 0;
  EXPECT_THAT(score_svg(counts), IsEmpty());
}

TEST(ScorePicture, OfLayersMarksThoseThatWent) {
  ScoreCounts counts{.criterion = "block-influence", .unit = "layer", .step = 1};
  counts.ones = {{0, 0.5, false}, {3, 0.1, true}};
  const std::string svg = score_svg(counts);
  EXPECT_EQ(count(svg, "class=\"r s1\""), 1U);
  EXPECT_EQ(count(svg, "class=\"f0\""), 1U);
  EXPECT_THAT(svg, HasSubstr("layer 3: 0.100"));
}

TEST(DotPicture, IsEmptyWithoutAFiniteValue) {
  DotPlot plot{.name = "times", .axis = "ratio", .series = {"a"}, .rows = {{"token", {{0, NAN}}}}};
  EXPECT_THAT(dot_plot_svg(plot), IsEmpty());
  plot.rows[0].values[0].value = 0.6;
  EXPECT_THAT(dot_plot_svg(plot), HasSubstr("token, a: 0.600"));
  EXPECT_THAT(dot_plot_svg(plot), Not(HasSubstr("nan")));
}

}  // namespace
}  // namespace mop
