#include <gmock/gmock.h>

#include "run/read_run.h"

namespace mop {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

LayerShape shape(int64_t kv_heads, int64_t mlp) { return {2 * kv_heads, kv_heads, 8, mlp}; }

// Of four layers with 4 groups and 10 neurons: one group and two neurons of layer 0, then two more
// neurons of it, the MLP of layer 1 and layer 2.
std::vector<PlanStep> two_steps() {
  PlanStep first, second;
  first.removals = {{.layer = 0, .kv_heads = {1}, .neurons = {3, 4}}, {.layer = 1, .mlp = true}};
  second.removals = {{.layer = 0, .neurons = {0, 5}}, {.layer = 2, .whole = true}};
  return {first, second};
}

TEST(UnitMaps, HaveARunForEachStepThatTookNeighbours) {
  const auto maps = unit_maps({std::vector<LayerShape>(4, shape(4, 10)), {}, 0}, two_steps());
  ASSERT_THAT(maps, SizeIs(2));
  const UnitRow& neurons = maps[1].rows[0];
  ASSERT_THAT(neurons.removed, SizeIs(3));
  EXPECT_EQ(neurons.removed[0].first, 0);
  EXPECT_EQ(neurons.removed[0].step, 2);
  EXPECT_EQ(neurons.removed[1].first, 3);
  EXPECT_EQ(neurons.removed[1].last, 4);
  EXPECT_EQ(neurons.removed[1].step, 1);
  EXPECT_EQ(neurons.kept(), 6);
  EXPECT_EQ(maps[0].rows[0].kept(), 3);
  EXPECT_EQ(maps[0].rows[1].gone, UnitRow::Gone::kUnits) << "its attention stays";
  EXPECT_EQ(maps[1].rows[1].gone, UnitRow::Gone::kHalf);
  EXPECT_EQ(maps[0].rows[2].gone, UnitRow::Gone::kWhole);
  EXPECT_EQ(maps[0].rows[2].gone_step, 2);
}

TEST(UnitMaps, SizesBeforeAreWhatIsLeftAndWhatWent) {
  const std::vector<LayerShape> left = {shape(3, 6), shape(4, 0), shape(4, 10)};
  const auto dense = dense_units({left, {}, 0}, two_steps()).layers;
  std::vector<int64_t> groups, neurons;
  for (const LayerShape& layer : dense) {
    groups.push_back(layer.kv_heads);
    neurons.push_back(layer.mlp);
  }
  EXPECT_THAT(groups, ElementsAre(4, 4, 4, 4));
  EXPECT_THAT(neurons, ElementsAre(10, 10, 10, 10));
}

TEST(UnitMaps, OfARunThatTookNothingAreNone) {
  EXPECT_TRUE(unit_maps({std::vector<LayerShape>(2, shape(4, 10)), {}, 8}, {}).empty());
  EXPECT_TRUE(unit_maps({}, two_steps()).empty());
}

// Of a tower of two layers of 4 heads and 6 neurons, and of 8 channels.
TEST(UnitMaps, ATowerAndChannelsHaveTheirOwn) {
  PlanStep first, second;
  first.removals = {{.layer = 0, .neurons = {1}}};
  first.tower = {{.layer = 1, .heads = {0, 3}, .kv_heads = {0, 3}, .neurons = {2, 3}}};
  second.channels = {7, 0, 6};
  const std::vector<PlanStep> steps = {first, second};
  const ModelUnits left{{shape(4, 9)}, {{4, 4, 8, 6}, {2, 2, 8, 4}}, 5};
  const ModelUnits dense = dense_units(left, steps);
  EXPECT_EQ(dense.hidden, 8);
  EXPECT_EQ(dense.tower[1].heads, 4);
  EXPECT_EQ(dense.tower[1].mlp, 6);
  const auto maps = unit_maps(dense, steps);
  ASSERT_THAT(maps, SizeIs(5));
  EXPECT_EQ(maps[2].title, "Vision tower: heads");
  EXPECT_EQ(maps[2].rows[0].kept(), 4);
  EXPECT_EQ(maps[2].rows[1].kept(), 2);
  EXPECT_EQ(maps[3].rows[1].kept(), 4);
  EXPECT_EQ(maps[4].units, "channels");
  ASSERT_THAT(maps[4].rows, SizeIs(1));
  EXPECT_EQ(maps[4].rows[0].units, 8);
  EXPECT_EQ(maps[4].rows[0].kept(), 5);
  EXPECT_EQ(maps[4].rows[0].removed[1].last, 7) << "6 and 7 are neighbours";
  EXPECT_EQ(maps[4].rows[0].removed[1].step, 2);
}

}  // namespace
}  // namespace mop
