// tests/unit/allocate/programming_test.cc -- dynamic programming against all choices, damage that
// is measured, and evolution: on counts small enough to check by hand.
#include "allocate/programming.h"

#include <ATen/ops/arange.h>
#include <gmock/gmock.h>

#include <limits>
#include <random>
#include <set>

#include "allocate/measured_damage.h"
#include "base/error.h"
#include "kit/configs.h"

namespace mop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

HalfLayerCurve curve(int64_t layer, double gain, std::vector<double> damage) {
  HalfLayerCurve c;
  c.layer = layer;
  c.units = std::ssize(damage);
  c.damage = std::move(damage);
  c.gain = gain;
  return c;
}

// The least damage of all choices whose gain lies in the window.
double brute_force(std::span<const DamageSizes> sizes, const TargetWindow& window, double gain = 0,
                   double damage = 0) {
  if (sizes.empty()) {
    return gain >= window.least() && gain < window.limit() ? damage : kInfinity;
  }
  double best = kInfinity;
  for (const DamageSize& size : sizes[0].all) {
    best = std::min(best,
                    brute_force(sizes.subspan(1), window, gain + size.gain, damage + size.damage));
  }
  return best;
}

TEST(Programming, FindsWhatTheHullMisses) {
  // 60 are to go. The second half has the least damage for its gain, but what then closes is dear.
  const std::vector<HalfLayerCurve> curves = {curve(0, 60, {3}), curve(1, 50, {2.4}),
                                              curve(2, 10, {2})};
  EXPECT_THAT(allocate_by_damage(curves, {.gain = 60}).counts, ElementsAre(0, 1, 1));
  const DamageAllocation best = allocate_by_programming(curves, {.gain = 60});
  EXPECT_THAT(best.counts, ElementsAre(1, 0, 0));
  EXPECT_DOUBLE_EQ(best.damage, 3);
  EXPECT_DOUBLE_EQ(best.gain, 60);
}

TEST(Programming, IsTheBestOfAllChoices) {
  std::mt19937 random(5);
  std::uniform_real_distribution<double> step(0, 1);
  int better_than_hull = 0;
  for (int trial = 0; trial < 60; ++trial) {
    std::vector<HalfLayerCurve> curves;
    for (int64_t layer = 0; layer < 5; ++layer) {
      std::vector<double> damage(5);
      double sum = 0;
      for (double& d : damage) d = sum += step(random);  // neither convex nor alike
      // Every third trial counts what is no whole number, as times are.
      curves.push_back(curve(layer, layer % 2 == 0 ? 30 : 70, damage));
      if (trial % 3 == 0) curves.back().gain *= 1.0371;
      if (trial % 2 == 0) curves.back().gain_of_rest = 7;
      if (trial % 5 == 0) curves.back().pack = 2;
    }
    std::vector<DamageSizes> sizes;
    double most = 0;
    for (const HalfLayerCurve& c : curves) {
      sizes.push_back(sizes_of(c));
      most += sizes.back().all.back().gain;
    }
    const DamageTarget target{.gain = most * (0.1 + 0.7 * step(random))};
    const double best = brute_force(sizes, window_of(curves, sizes, target));
    const DamageAllocation found = allocate_by_programming(curves, target);
    if (best == kInfinity) continue;  // nothing comes as near as the smallest pack
    EXPECT_NEAR(found.damage, best, 1e-12) << trial;
    better_than_hull += found.damage < allocate_by_damage(curves, target).damage - 1e-9 ? 1 : 0;
  }
  EXPECT_GT(better_than_hull, 10);
}

TEST(Programming, WhereNothingIsNearTheLeastExcessIsTaken) {
  // 100 or 130, and 110 is to go.
  const std::vector<HalfLayerCurve> curves = {curve(0, 100, {1}), curve(1, 130, {5})};
  EXPECT_THAT(allocate_by_programming(curves, {.gain = 110}).counts, ElementsAre(0, 1));
  EXPECT_THROW(allocate_by_programming(curves, {.gain = 231}), Error);
}

TEST(Programming, ManyUnitsAreTakenByStrides) {
  // 40 half layers of 11008 units of all kinds of gains: too many choices to look at each.
  std::vector<HalfLayerCurve> curves;
  for (int64_t layer = 0; layer < 40; ++layer) {
    std::vector<double> damage(11008);
    for (size_t k = 0; k < damage.size(); ++k) {
      damage[k] = (1 + static_cast<double>(layer)) * static_cast<double>((k + 1) * (k + 1));
    }
    curves.push_back(curve(layer, 1000.25 + static_cast<double>(layer), damage));
    curves.back().stride = 512;
  }
  const DamageTarget target{.gain = 1e8};
  const DamageAllocation found = allocate_by_programming(curves, target);
  EXPECT_GE(found.gain, target.gain);
  EXPECT_LT(found.gain, target.gain + 1000.25);
  // The curves are convex, so the hull is nearly best.
  EXPECT_NEAR(found.damage / allocate_by_damage(curves, target).damage, 1, 1e-3);
}

TEST(Programming, UniformTakesEquallyManyOfEveryLayer) {
  const std::vector<HalfLayerCurve> curves = {curve(0, 10, {1, 2, 3}), curve(1, 10, {4, 5, 6})};
  DamageTarget target{.gain = 40};
  target.uniform = true;
  EXPECT_THAT(allocate_by_programming(curves, target).counts, ElementsAre(2, 2));
}

// Two layers of 4 heads and 8 neurons: a neuron costs 24 parameters, a group 64.
ModelConfig two_layers(int64_t neurons) { return make_config({2, 8, 4, 4, 2, neurons, 10}); }

int64_t parameters(const WidthCounts& counts) {
  return 64 * (counts.kv_groups[0] + counts.kv_groups[1]) +
         24 * (counts.neurons[0] + counts.neurons[1]);
}

// A model whose loss is 3, and 1 for each neuron that layer 0 loses, 0.1 for one of layer 1, 2 for
// a group.
class Judged {
 public:
  explicit Judged(WidthCounts uniform, WidthOptions options = {}, int64_t neurons = 8)
      : config_(two_layers(neurons)),
        groups_(2, at::arange(4, at::kDouble)),
        neurons_(2, at::arange(neurons, at::kDouble)),
        uniform_(std::move(uniform)),
        options_(options) {}
  WidthCounts spread(const std::string& name) {
    return find_allocation(name).spread({.config = config_,
                                         .uniform = uniform_,
                                         .scores = {&groups_, &neurons_},
                                         .options = options_,
                                         .judge = [&](const auto& some) { return judge(some); },
                                         .note = [&](const auto& line) { lines.push_back(line); }});
  }
  std::vector<double> judge(const std::vector<WidthCounts>& candidates) {
    std::vector<double> losses;
    for (const WidthCounts& c : candidates) {
      judged.push_back(c);
      losses.push_back(3 + static_cast<double>(c.neurons[0]) +
                       0.1 * static_cast<double>(c.neurons[1]) +
                       2 * static_cast<double>(c.kv_groups[0] + c.kv_groups[1]));
    }
    return losses;
  }
  std::vector<WidthCounts> judged;
  std::vector<std::string> lines;

 private:
  ModelConfig config_;
  std::vector<at::Tensor> groups_, neurons_;
  WidthCounts uniform_;
  WidthOptions options_;
};

TEST(MeasuredDamage, HalfLayersAreJudgedOneByOneAndTheCheapestGo) {
  WidthOptions options;
  options.damage_levels = 4;
  Judged model({{0, 0}, {3, 3}, {}}, options);
  const WidthCounts counts = model.spread("dp");
  EXPECT_THAT(counts.kv_groups, ElementsAre(0, 0));
  EXPECT_THAT(counts.neurons, ElementsAre(0, 6));
  EXPECT_DOUBLE_EQ(counts.owed.parameters, 0);
  // The model as it is; 1, 2 and 3 groups and 2, 4, 6 and 7 neurons of each layer.
  ASSERT_EQ(model.judged.size(), 1u + 2 * (3 + 4));
  EXPECT_THAT(model.judged[0].neurons, ElementsAre(0, 0));
  EXPECT_THAT(model.judged[3].kv_groups, ElementsAre(3, 0));
  EXPECT_THAT(model.judged[7].neurons, ElementsAre(7, 0));
  EXPECT_THAT(model.judged[11].neurons, ElementsAre(0, 2));
  EXPECT_THAT(model.lines, ::testing::SizeIs(4));
}

TEST(MeasuredDamage, PacksStayWhole) {
  WidthOptions options;
  options.shape_multiple = 4;
  Judged model({{0, 0}, {4, 4}, {}}, options);
  for (const std::string name : {"convex-hull", "dp"}) {
    const WidthCounts counts = model.spread(name);
    EXPECT_EQ(counts.neurons[1], 4) << "0.4 for 96 parameters";
    EXPECT_EQ(counts.neurons[0] % 4, 0);
    EXPECT_DOUBLE_EQ(counts.owed.parameters, 192 - static_cast<double>(parameters(counts)));
    EXPECT_GE(parameters(counts), 192);
  }
  for (const WidthCounts& c : model.judged) EXPECT_EQ((c.neurons[0] + c.neurons[1]) % 4, 0);
}

TEST(Evolution, FindsTheLayerThatLosesLeastAtEqualParameters) {
  // A group and six neurons: only layer 1 should lose neurons.
  Judged model({{1, 0}, {3, 3}, {}});
  const WidthCounts counts = model.spread("evolution");
  for (const WidthCounts& c : model.judged) EXPECT_EQ(parameters(c), 64 + 6 * 24);
  EXPECT_THAT(counts.neurons, ElementsAre(0, 6));
  EXPECT_EQ(counts.kv_groups[0] + counts.kv_groups[1], 1);
  EXPECT_THAT(model.lines.back(), HasSubstr("perplexity"));
}

TEST(Evolution, TradesGroupsForNeuronsWhereThatComesOutEven) {
  // Three groups of a layer are 192 parameters, as eight neurons are: a damage of 6, and of 0.8.
  Judged model({{3, 0}, {0, 0}, {}}, {}, /*neurons=*/16);
  const WidthCounts counts = model.spread("evolution");
  EXPECT_THAT(counts.kv_groups, ElementsAre(0, 0));
  EXPECT_THAT(counts.neurons, ElementsAre(0, 8));
}

TEST(Evolution, ASeedGivesTheSamePathAndAnotherOneAnother) {
  WidthOptions options;
  Judged first({{1, 1}, {3, 3}, {}}, options), again({{1, 1}, {3, 3}, {}}, options);
  options.evolution_seed = 1;
  Judged other({{1, 1}, {3, 3}, {}}, options);
  first.spread("evolution");
  again.spread("evolution");
  other.spread("evolution");
  const auto path = [](const Judged& model) {
    std::vector<std::vector<int64_t>> counts;
    for (const WidthCounts& c : model.judged) counts.push_back(c.neurons);
    return counts;
  };
  EXPECT_EQ(path(first), path(again));
  EXPECT_NE(path(first), path(other));
}

TEST(Evolution, NothingIsJudgedTwice) {
  Judged model({{1, 1}, {3, 3}, {}});
  model.spread("evolution");
  std::set<std::vector<int64_t>> seen;
  for (const WidthCounts& c : model.judged) {
    std::vector<int64_t> all = c.neurons;
    all.insert(all.end(), c.kv_groups.begin(), c.kv_groups.end());
    EXPECT_TRUE(seen.insert(all).second);
  }
}

}  // namespace
}  // namespace mop::testing
