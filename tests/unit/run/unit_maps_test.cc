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
  const auto maps = unit_maps(std::vector<LayerShape>(4, shape(4, 10)), two_steps());
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
  const auto dense = dense_layers(left, two_steps());
  std::vector<int64_t> groups, neurons;
  for (const LayerShape& layer : dense) {
    groups.push_back(layer.kv_heads);
    neurons.push_back(layer.mlp);
  }
  EXPECT_THAT(groups, ElementsAre(4, 4, 4, 4));
  EXPECT_THAT(neurons, ElementsAre(10, 10, 10, 10));
}

TEST(UnitMaps, OfARunThatTookNothingAreNone) {
  EXPECT_TRUE(unit_maps(std::vector<LayerShape>(2, shape(4, 10)), {}).empty());
  EXPECT_TRUE(unit_maps({}, two_steps()).empty());
}

}  // namespace
}  // namespace mop
