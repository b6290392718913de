// tests/unit/allocate/damage_test.cc -- where the least damage buys the target.
#include "allocate/damage.h"

#include <gmock/gmock.h>

#include <cmath>
#include <limits>
#include <random>

#include "base/error.h"

namespace mop::testing {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

HalfLayerCurve curve(int64_t layer, UnitKind kind, double gain, std::vector<double> damage) {
  HalfLayerCurve c;
  c.layer = layer;
  c.kind = kind;
  c.units = std::ssize(damage);
  c.damage = std::move(damage);
  c.gain = gain;
  return c;
}
HalfLayerCurve neurons(int64_t layer, std::vector<double> damage) {
  return curve(layer, UnitKind::kNeuron, 10, std::move(damage));
}

DamageTarget target(double gain) {
  DamageTarget t;
  t.gain = gain;
  return t;
}

TEST(DamageAllocation, TakesWhatCostsLeast) {
  const std::vector<HalfLayerCurve> curves = {neurons(0, {1, 3, 9}), neurons(1, {0.5, 1, 20}),
                                              neurons(2, {4, 8, 12})};
  const DamageAllocation four = allocate_by_damage(curves, target(40));
  EXPECT_THAT(four.counts, ElementsAre(2, 2, 0));
  EXPECT_DOUBLE_EQ(four.damage, 4);
  EXPECT_DOUBLE_EQ(four.gain, 40);
}

TEST(DamageAllocation, AJumpBehindAnExpensiveUnitIsSeen) {
  // The first group is dear, all three together are cheap: 6 for 300 against 2 for 60.
  const std::vector<HalfLayerCurve> curves = {curve(0, UnitKind::kKvGroup, 100, {5, 5.5, 6}),
                                              neurons(0, {2, 4, 6, 8, 10, 12, 14, 16})};
  EXPECT_THAT(allocate_by_damage(curves, target(300)).counts, ElementsAre(3, 0));
  EXPECT_THAT(allocate_by_damage(curves, target(310)).counts, ElementsAre(3, 1));
}

TEST(DamageAllocation, AWholeHalfMayCostLessThanMostOfIt) {
  // What is before the group's half takes over: all three cost 1, two 8.
  std::vector<HalfLayerCurve> curves = {curve(0, UnitKind::kKvGroup, 100, {5, 8, 20}),
                                        neurons(0, {2, 4, 6, 8, 10, 12, 14, 16})};
  curves[0].damage_of_all = 1;
  curves[0].gain_of_rest = 7;
  const DamageAllocation all = allocate_by_damage(curves, target(307));
  EXPECT_THAT(all.counts, ElementsAre(3, 0));
  EXPECT_DOUBLE_EQ(all.damage, 1);
  // Two groups and all neurons are too few, so the last group goes too, and the neurons come back.
  EXPECT_THAT(allocate_by_damage(curves, target(290)).counts, ElementsAre(3, 0));
  curves[0].damage_of_all = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(allocate_by_damage(curves, target(307)), Error);
}

TEST(DamageAllocation, WhereOnlyTheLastUnitWinsAllGoOrNone) {
  std::vector<HalfLayerCurve> curves = {curve(0, UnitKind::kKvGroup, 0, {0, 1, 2}),
                                        neurons(0, {2, 4, 6, 8, 10, 12, 14, 16})};
  EXPECT_THAT(allocate_by_damage(curves, target(40)).counts, ElementsAre(0, 4));
  curves[0].gain_of_rest = 30;
  EXPECT_THAT(allocate_by_damage(curves, target(40)).counts, ElementsAre(3, 1));
  curves[0].keep = 1;
  EXPECT_THAT(allocate_by_damage(curves, target(40)).counts, ElementsAre(0, 4));
}

TEST(DamageAllocation, ExceedsTheTargetByLessThanANeuron) {
  std::mt19937 random(3);
  std::uniform_real_distribution<double> step(0.1, 1);
  for (int trial = 0; trial < 50; ++trial) {
    std::vector<HalfLayerCurve> curves;
    for (int64_t layer = 0; layer < 4; ++layer) {
      std::vector<double> groups(3), single(40);
      double sum = 0;
      for (double& damage : groups) damage = sum += 5 * step(random);
      sum = 0;
      for (double& damage : single) damage = sum += step(random);
      curves.push_back(curve(layer, UnitKind::kKvGroup, 70, groups));
      curves.push_back(neurons(layer, single));
      curves.back().stride = 16;
      curves.back().gain_of_rest = 7;
    }
    const double want = std::floor(2400 * step(random));
    const DamageAllocation result = allocate_by_damage(curves, target(want));
    double gain = 0, damage = 0;
    for (size_t i = 0; i < curves.size(); ++i) {
      const int64_t gone = result.counts[i];
      gain += static_cast<double>(gone) * curves[i].gain +
              (gone == curves[i].units ? curves[i].gain_of_rest : 0);
      damage += gone == 0 ? 0 : curves[i].damage[static_cast<size_t>(gone) - 1];
    }
    EXPECT_DOUBLE_EQ(result.gain, gain);
    EXPECT_NEAR(result.damage, damage, 1e-12 * damage);
    EXPECT_GE(gain, want);
    EXPECT_LT(gain, want + 10);
  }
}

// The least damage of all counts that reach the target.
double brute_force(const std::vector<HalfLayerCurve>& curves, double want, size_t i = 0) {
  if (i == curves.size()) return want <= 0 ? 0 : std::numeric_limits<double>::infinity();
  double best = brute_force(curves, want, i + 1);
  for (size_t k = 0; k < curves[i].damage.size(); ++k) {
    const double gain = static_cast<double>(k + 1) * curves[i].gain;
    best = std::min(best, curves[i].damage[k] + brute_force(curves, want - gain, i + 1));
  }
  return best;
}

TEST(DamageAllocation, IsWithinOneUnitOfTheBestOfAllCounts) {
  std::mt19937 random(11);
  std::uniform_real_distribution<double> step(0.1, 1);
  double found = 0, least = 0;
  for (int trial = 0; trial < 30; ++trial) {
    std::vector<HalfLayerCurve> curves;
    double largest = 0;
    for (int64_t layer = 0; layer < 5; ++layer) {
      std::vector<double> damage(5);
      double sum = 0, marginal = 0;
      for (double& d : damage) {
        d = sum += marginal +=
            step(random);  // convex, as curves of a greedy elimination are nearly
        largest = std::max(largest, marginal);
      }
      curves.push_back(neurons(layer, damage));
    }
    const double want = 10 * std::floor(3 + 18 * step(random));
    const double best = brute_force(curves, want);
    const DamageAllocation result = allocate_by_damage(curves, target(want));
    EXPECT_GE(result.damage, best - 1e-9);
    EXPECT_LE(result.damage, best + 1e-9) << "convex curves of equal units: the hull is exact";
    for (HalfLayerCurve& c : curves) {
      if (c.layer % 2 == 0) c.gain = 25;  // now there is a gap, of one unit at most
    }
    found += allocate_by_damage(curves, target(want)).damage;
    least += brute_force(curves, want);
    EXPECT_LE(allocate_by_damage(curves, target(want)).damage, brute_force(curves, want) + largest);
  }
  EXPECT_LE(found, 1.15 * least);
}

TEST(DamageAllocation, PacksLeaveMultiplesAndTheNearestToTheTarget) {
  std::vector<HalfLayerCurve> curves = {neurons(0, std::vector<double>(18)),
                                        neurons(1, std::vector<double>(18))};
  for (size_t k = 0; k < 18; ++k) {
    curves[0].damage[k] = static_cast<double>(k);
    curves[1].damage[k] = 3.0 + 1.5 * static_cast<double>(k);
  }
  for (HalfLayerCurve& c : curves) {
    c.pack = 8;
    c.keep = 1;
  }
  EXPECT_THAT(allocate_by_damage(curves, target(10)).counts, ElementsAre(2, 0));   // 16 stay
  EXPECT_THAT(allocate_by_damage(curves, target(90)).counts, ElementsAre(10, 0));  // 8 stay
  EXPECT_THAT(allocate_by_damage(curves, target(150)).counts, ElementsAre(10, 2));
  EXPECT_THAT(allocate_by_damage(curves, target(230)).counts, ElementsAre(10, 10));
  EXPECT_THROW(allocate_by_damage(curves, target(260)), Error);
}

TEST(DamageAllocation, PacksReachATargetInFullWhereThatIsAsked) {
  HalfLayerCurve packs = neurons(0, {1, 2, 3, 4, 5, 6, 7, 8});
  packs.pack = 4;
  DamageTarget nearest = target(50);  // a pack is 40
  EXPECT_DOUBLE_EQ(allocate_by_damage(std::vector{packs}, nearest).gain, 40);
  nearest.in_full = true;
  EXPECT_DOUBLE_EQ(allocate_by_damage(std::vector{packs}, nearest).gain, 80);
  EXPECT_DOUBLE_EQ(allocate_by_programming(std::vector{packs}, nearest).gain, 80);
}

TEST(DamageAllocation, KeepsWhatMustStay) {
  std::vector<HalfLayerCurve> curves = {neurons(0, {0, 0, 0, 0}), neurons(1, {5, 10, 15, 20})};
  curves[0].keep = 2;
  EXPECT_THAT(allocate_by_damage(curves, target(50)).counts, ElementsAre(2, 3));
}

TEST(DamageAllocation, TheRestOfAnEmptiedHalfCounts) {
  std::vector<HalfLayerCurve> curves = {neurons(0, {1, 2}), neurons(1, {1.1, 2.2})};
  curves[0].gain_of_rest = 4;
  curves[1].gain_of_rest = 10;  // 2.2 for 30 beats 2 for 24
  const DamageAllocation result = allocate_by_damage(curves, target(30));
  EXPECT_THAT(result.counts, ElementsAre(0, 2));
  EXPECT_DOUBLE_EQ(result.gain, 30);
}

TEST(DamageAllocation, UniformTakesEquallyManyFromEveryLayer) {
  std::vector<HalfLayerCurve> curves;
  for (int64_t layer = 0; layer < 3; ++layer) {
    const double scale = layer == 1 ? 100 : 1;
    curves.push_back(curve(layer, UnitKind::kKvGroup, 50, {scale * 30, scale * 60}));
    curves.push_back(neurons(layer, {scale, 2 * scale, 4 * scale, 8 * scale}));
  }
  DamageTarget t = target(61);
  t.uniform = true;
  const DamageAllocation result = allocate_by_damage(curves, t);
  EXPECT_THAT(result.counts, ElementsAre(0, 3, 0, 3, 0, 3));  // 2 of each win 60
  EXPECT_DOUBLE_EQ(result.damage, 4 + 400 + 4);
  EXPECT_DOUBLE_EQ(result.gain, 90);
  t.uniform = false;
  EXPECT_THAT(allocate_by_damage(curves, t).counts, ElementsAre(0, 4, 0, 0, 0, 3));
  t.uniform = true;
  curves[3].units = 9;
  try {
    allocate_by_damage(curves, t);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("layer 0 and the neuron curve of layer 1 differ"));
  }
}

// KV bytes: neurons win nothing and stay; milliseconds are fractions.
TEST(DamageAllocation, OtherCurrenciesThanParameters) {
  std::vector<HalfLayerCurve> curves = {curve(0, UnitKind::kKvGroup, 0.25, {3, 6, 9}),
                                        neurons(0, {0, 0, 0})};
  curves[1].gain = 0;
  EXPECT_THAT(allocate_by_damage(curves, target(0.5)).counts, ElementsAre(2, 0));
  curves[1].gain = 0.1;
  EXPECT_THAT(allocate_by_damage(curves, target(0.3)).counts, ElementsAre(0, 3));  // 3 * 0.1
}

TEST(DamageAllocation, GivesBackWhatALargeLastUnitLeftOver) {
  // Neurons alone do not reach 130; one group does, and then three neurons may stay.
  const std::vector<HalfLayerCurve> curves = {curve(0, UnitKind::kKvGroup, 100, {500}),
                                              neurons(0, {1, 3, 6, 10, 15, 21})};
  const DamageAllocation result = allocate_by_damage(curves, target(130));
  EXPECT_THAT(result.counts, ElementsAre(1, 3));
  EXPECT_DOUBLE_EQ(result.gain, 130);
}

TEST(DamageAllocation, WhereOnlyLargeUnitsAreLeftTheSmallestGoes) {
  const std::vector<HalfLayerCurve> curves = {curve(0, UnitKind::kKvGroup, 100, {1, 2}),
                                              neurons(0, {1})};
  const DamageAllocation result = allocate_by_damage(curves, target(115));
  EXPECT_THAT(result.counts, ElementsAre(2, 0));
}

TEST(DamageAllocation, TiesGoToTheLowerLayer) {
  const std::vector<HalfLayerCurve> curves = {neurons(2, {1, 2}), neurons(1, {1, 2}),
                                              neurons(0, {1, 2})};
  EXPECT_THAT(allocate_by_damage(curves, target(30)).counts, ElementsAre(0, 1, 2));
}

TEST(DamageAllocation, NothingGoesForNothing) {
  EXPECT_THAT(allocate_by_damage({{neurons(0, {0, 0})}}, target(0)).counts, Each(0));
}

std::string refusal(const std::vector<HalfLayerCurve>& curves, double gain) {
  try {
    DamageTarget t = target(gain);
    t.currency = "bytes of KV cache";
    allocate_by_damage(curves, t);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(DamageAllocation, RefusesWhatCannotBeReachedOrRead) {
  EXPECT_THAT(refusal({neurons(0, {1, 2}), neurons(1, {1})}, 31),
              HasSubstr("31 bytes of KV cache cannot be removed: all removable units have 30"));
  EXPECT_THAT(refusal({neurons(3, {1, NAN})}, 5),
              HasSubstr("the neuron curve of layer 3 decreases"));
  EXPECT_THAT(refusal({neurons(3, {2, 1})}, 5), HasSubstr("1 after 2"));
  std::vector<HalfLayerCurve> wrong = {neurons(3, {1, 2})};
  wrong[0].units = 1;
  EXPECT_THAT(refusal(wrong, 5), HasSubstr("2 values for 1 units"));
  wrong[0].units = 2;
  wrong[0].gain = -1;
  EXPECT_THAT(refusal(wrong, 5), HasSubstr("a gain of -1 per unit"));
  EXPECT_THAT(refusal({neurons(0, {1})}, NAN), HasSubstr("a target of nan"));
}

}  // namespace
}  // namespace mop::testing
