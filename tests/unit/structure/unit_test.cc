// tests/unit/structure/unit_test.cc
#include "structure/unit.h"

#include <gtest/gtest.h>

#include "kit/configs.h"
#include "model/family.h"

namespace mop::testing {
namespace {

// 4 query heads of 2 over 2 KV heads, hidden 8, 16 neurons: attention 8*2*(2*4+2*2) = 192, MLP
// 3*8*16 = 384.
const ModelConfig kGrouped = make_config({4, 8, 4, 2, 2, 16, 10});

TEST(Units, AreCountedPerLayer) {
  const LayerShape& shape = kGrouped.layers[0];
  EXPECT_EQ(num_units(UnitKind::kLayer, shape), 1);
  EXPECT_EQ(num_units(UnitKind::kAttention, shape), 1);
  EXPECT_EQ(num_units(UnitKind::kMlp, shape), 1);
  EXPECT_EQ(num_units(UnitKind::kKvGroup, shape), 2);
  EXPECT_EQ(num_units(UnitKind::kNeuron, shape), 16);
}

TEST(Units, ALayerWithoutAttentionHasNoneToGive) {
  const LayerShape shape = {0, 0, 2, 16};
  EXPECT_EQ(num_units(UnitKind::kAttention, shape), 0);
  EXPECT_EQ(num_units(UnitKind::kKvGroup, shape), 0);
  EXPECT_EQ(unit_parameters(UnitKind::kKvGroup, kGrouped, shape), 0);
}

TEST(Units, CostWhatTheirRowsAndColumnsHold) {
  const LayerShape& shape = kGrouped.layers[0];
  EXPECT_EQ(unit_parameters(UnitKind::kNeuron, kGrouped, shape), 3 * 8);
  EXPECT_EQ(unit_parameters(UnitKind::kKvGroup, kGrouped, shape), (2 * 2 * 2 + 2 * 2) * 8);
  EXPECT_EQ(unit_parameters(UnitKind::kAttention, kGrouped, shape), 192 + 8);
  EXPECT_EQ(unit_parameters(UnitKind::kMlp, kGrouped, shape), 384 + 8);
  EXPECT_EQ(unit_parameters(UnitKind::kLayer, kGrouped, shape), 192 + 384 + 16);
}

TEST(Units, AHiddenChannelIsOfTheWholeModel) {
  const LayerShape& shape = kGrouped.layers[0];
  EXPECT_EQ(num_units(UnitKind::kChannel, shape), 0);
  EXPECT_EQ(num_units(UnitKind::kChannel, kGrouped, shape), 8);
  // 24 of attention, 48 of the MLP and 2 norms in each layer, the embedding, the head, a norm.
  EXPECT_EQ(unit_parameters(UnitKind::kChannel, kGrouped, shape), 4 * (24 + 48 + 2) + 2 * 10 + 1);
}

TEST(Units, AKvGroupOfOneHeadIsAQueryHead) {
  EXPECT_EQ(unit_name(UnitKind::kKvGroup, kGrouped.layers[0]), "KV group");
  EXPECT_EQ(unit_name(UnitKind::kKvGroup, {4, 4, 2, 16}), "query head");
  EXPECT_EQ(unit_name(UnitKind::kNeuron, {4, 4, 2, 16}), "neuron");
  for (const Unit& unit : all_units()) EXPECT_EQ(unit_name(unit.kind), unit.name);
}

TEST(Units, TheLastGroupCostsNoMoreThanTheOthers) {
  EXPECT_EQ(unit_parameters(UnitKind::kKvGroup, kGrouped, {2, 1, 2, 16}),
            unit_parameters(UnitKind::kKvGroup, kGrouped, {4, 2, 2, 16}));
}

TEST(Units, BiasesGoWithTheirUnit) {
  ModelConfig config = make_config({4, 8, 4, 2, 2, 16, 10, "qwen2"});
  const LayerShape& shape = config.layers[0];
  // q, k and v have biases in this family: 2 query heads and one k and v of 2 rows each.
  EXPECT_EQ(unit_parameters(UnitKind::kKvGroup, config, shape), 96 + 2 * 2 + 2 * 2);
}

}  // namespace
}  // namespace mop::testing
