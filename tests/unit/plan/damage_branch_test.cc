// tests/unit/plan/damage_branch_test.cc -- what the branches by damage propose for known curves.
#include <gmock/gmock.h>

#include "base/error.h"
#include "base/json.h"
#include "kit/random_model.h"
#include "model/family.h"
#include "plan/branch.h"
#include "structure/unit.h"

namespace mop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Layer l's k-th neuron to go is the k-th from the end and costs cost[l]; groups cost much more.
class LinearCurves : public Measure {
 public:
  LinearCurves(const ModelConfig& config, const std::vector<double>& cost) {
    for (size_t i = 0; i < config.layers.size(); ++i) {
      curves_.emplace_back();
      curves_.back().kv_groups = line(config.layers[i].kv_heads, 1000);
      curves_.back().neurons = line(config.layers[i].mlp, cost[i]);
    }
  }
  const std::vector<at::Tensor>& scores(const std::string&) override {
    throw std::logic_error("damage asks for no scores");
  }
  const std::vector<LayerCurves>& curves(const CurveSettings& settings) override {
    asked.push_back(settings);
    return curves_;
  }
  std::vector<CurveSettings> asked;
  std::vector<LayerCurves>& all() { return curves_; }

 private:
  static DamageCurve line(int64_t units, double cost) {
    DamageCurve curve;
    for (int64_t k = 0; k < units; ++k) {
      curve.order.push_back(static_cast<int32_t>(units - 1 - k));
      curve.damage.push_back(cost * static_cast<double>(k + 1));
    }
    return curve;
  }
  std::vector<LayerCurves> curves_;
};

class DamageBranches : public ::testing::Test {
 protected:
  // 4 layers, hidden 32, 4 heads of 8 over 2 KV heads, 48 neurons of 96 parameters.
  DamageBranches() {
    write_random_model(folder_.path());
    model_ = Model::open(folder_.path());
  }
  PlanStep propose(char letter, int64_t budget, const std::vector<double>& cost,
                   const Json& settings = Json::object()) {
    LinearCurves curves(model_.config(), cost);
    const Options options("damage", settings);
    const PlanStep step =
        find_branch(letter).propose({model_.config(), budget, {}, options, {}, {}}, model_, curves);
    asked_ = curves.asked;
    return step;
  }
  int64_t removed(const PlanStep& step) const {
    return total_parameters(model_.config()) - step.parameters;
  }
  TempFolder folder_;
  Model model_;
  std::vector<CurveSettings> asked_;
};

TEST_F(DamageBranches, TakeNeuronsWhereTheyCostLeast) {
  const PlanStep step = propose('D', 40 * 96, {3, 1, 2, 4});
  EXPECT_EQ(step.branch, "damage");
  ASSERT_EQ(step.removals.size(), 1u);
  EXPECT_EQ(step.removals[0].layer, 1);
  EXPECT_THAT(step.removals[0].kv_heads, IsEmpty());
  EXPECT_EQ(step.removals[0].neurons.size(), 40u);
  EXPECT_EQ(step.removals[0].neurons.front(), 8);
  EXPECT_EQ(step.removals[0].neurons.back(), 47);
  EXPECT_EQ(removed(step), 40 * 96);
}

TEST_F(DamageBranches, LeaveEveryLayerANeuronAndGoOnInTheNext) {
  const PlanStep step = propose('D', 60 * 96, {3, 1, 2, 4});
  ASSERT_EQ(step.removals.size(), 2u);
  EXPECT_EQ(step.removals[0].neurons.size(), 47u);
  EXPECT_EQ(step.removals[1].layer, 2);
  EXPECT_EQ(step.removals[1].neurons.size(), 13u);
}

TEST_F(DamageBranches, TakeTheQueryHeadsWithAKvGroup) {
  LinearCurves curves(model_.config(), {1e6, 1e6, 1e6, 1e6});
  const Options options;
  const PlanStep step =
      find_branch('D').propose({model_.config(), 2 * 1536, {}, options, {}, {}}, model_, curves);
  ASSERT_EQ(step.removals.size(), 2u);
  EXPECT_THAT(step.removals[0].kv_heads, ElementsAre(1)) << "the first of the order, and one stays";
  EXPECT_THAT(step.removals[0].heads, ElementsAre(2, 3));
  EXPECT_THAT(step.removals[0].neurons, IsEmpty());
  EXPECT_EQ(removed(step), 2 * 1536);
}

TEST_F(DamageBranches, UniformTakesEquallyManyOfEveryLayer) {
  const PlanStep step = propose('U', 40 * 96, {3, 1, 2, 4});
  EXPECT_EQ(step.branch, "damage-uniform");
  ASSERT_EQ(step.removals.size(), 4u);
  for (const LayerRemoval& removal : step.removals) EXPECT_EQ(removal.neurons.size(), 10u);
}

TEST_F(DamageBranches, KeepWidthsAtTheMultiple) {
  const PlanStep step = propose('D', 40 * 96, {3, 1, 2, 4}, {{"shape_multiple", 16}});
  ASSERT_EQ(step.removals.size(), 2u);
  EXPECT_EQ(step.removals[0].neurons.size(), 32u);
  EXPECT_EQ(step.removals[1].neurons.size(), 16u) << "the nearest to 8 neurons more, and not less";
}

TEST_F(DamageBranches, HandOnTheSettingsOfTheCurves) {
  propose('D', 96, {1, 1, 1, 1}, {{"damping", 0.5}, {"gradients", false}});
  EXPECT_THAT(asked_, ElementsAre(CurveSettings{.damping = 0.5, .gradients = false}));
}

// 4608 parameters of neurons, 3072 of groups, and a norm of 32 each.
constexpr int64_t kMlpHalf = 4608 + 32, kAttentionHalf = 3072 + 32;

TEST_F(DamageBranches, AHalfGoesWholeWhereThatIsAllowedAndCostsLeast) {
  const Json halves = {{"halves", true}};
  const PlanStep step = propose('D', kMlpHalf, {30, 1, 20, 40}, halves);
  ASSERT_EQ(step.removals.size(), 1u);
  EXPECT_EQ(step.removals[0].layer, 1);
  EXPECT_TRUE(step.removals[0].mlp);
  EXPECT_THAT(step.removals[0].neurons, IsEmpty());
  EXPECT_EQ(removed(step), kMlpHalf);
  EXPECT_TRUE(asked_[0].halves);
  EXPECT_FALSE(propose('D', kMlpHalf, {30, 1, 20, 40}).removals[0].mlp);
}

// Costs of a whole half are what the matrix before it cannot take over.
TEST_F(DamageBranches, TheMatrixBeforeAHalfMakesItCheap) {
  const Options options("damage", {{"halves", true}});
  LinearCurves curves(model_.config(), {30, 10, 20, 40});
  curves.all()[3].without_mlp = 5;
  curves.all()[3].without_attention = 4;
  BranchInput input{model_.config(), kMlpHalf + kAttentionHalf, {}, options, {}, {}};
  const PlanStep step = find_branch('D').propose(input, model_, curves);
  ASSERT_EQ(step.removals.size(), 1u);
  EXPECT_EQ(step.removals[0], (LayerRemoval{3, true, {}, {}, {}})) << "both halves are the layer";
  EXPECT_EQ(removed(step), kMlpHalf + kAttentionHalf);
  input.protect = {3};
  const PlanStep other = find_branch('D').propose(input, model_, curves);
  for (const LayerRemoval& removal : other.removals) EXPECT_NE(removal.layer, 3);
}

// Where each MLP has an overhead, the whole one goes rather than half of two.
TEST_F(DamageBranches, CountInTheCurrencyOfTheTarget) {
  const Options options("damage", {{"halves", true}});
  LinearCurves curves(model_.config(), {10, 10.1, 20, 40});
  const Costs costs(find_currency("latency"), {.attention = {1, 1}, .mlp = {1, 1000}});
  BranchInput input{model_.config(), 1048, {}, options, {}, {}};
  input.costs = &costs;
  const PlanStep step = find_branch('D').propose(input, model_, curves);
  ASSERT_EQ(step.removals.size(), 1u);
  EXPECT_EQ(step.removals[0].layer, 0);
  EXPECT_TRUE(step.removals[0].mlp);
  EXPECT_EQ(removed(step), kMlpHalf) << "parameters are counted as ever";
  EXPECT_EQ(find_branch('D').count(input).layers, model_.config().layers);
  const Costs cache(find_currency("kv-cache"), {});
  input.costs = &cache;
  input.budget = 2 * 8 * 4;  // a group
  const PlanStep groups = find_branch('D').propose(input, model_, curves);
  ASSERT_EQ(groups.removals.size(), 1u);
  EXPECT_THAT(groups.removals[0].kv_heads, ElementsAre(1));
  EXPECT_THAT(groups.removals[0].neurons, IsEmpty());
}

// A step offers only branches that can remove its budget, before anything is measured.
TEST_F(DamageBranches, CountWhatUnitsAndHalvesCanHaveInAnotherCurrency) {
  const Costs costs(find_currency("latency"), {.attention = {1, 10}, .mlp = {1, 1000}});
  const int64_t units = 4 * (2 - 1 + 48 - 1), all = 4 * (2 + 10 + 48 + 1000);
  const auto counts = [&](char letter, bool halves, std::vector<int32_t> protect, int64_t budget) {
    const Options options("damage", {{"halves", halves}});
    BranchInput input{model_.config(), budget, {}, options, std::move(protect), {}};
    input.costs = &costs;
    try {
      find_branch(letter).count(input);
      return true;
    } catch (const Error& error) {
      EXPECT_THAT(error.what(), HasSubstr("cannot be removed: all removable units have"));
      return false;
    }
  };
  for (const char letter : {'D', 'U'}) {
    EXPECT_TRUE(counts(letter, false, {}, units)) << letter;
    EXPECT_FALSE(counts(letter, false, {}, units + 1)) << letter;
  }
  EXPECT_TRUE(counts('D', true, {}, all));
  EXPECT_FALSE(counts('D', true, {}, all + 1));
  EXPECT_FALSE(counts('U', true, {}, units + 1)) << "removes no halves";
  EXPECT_FALSE(counts('D', true, {2}, all));
  EXPECT_TRUE(counts('D', true, {2}, all * 3 / 4 + units / 4));
}

TEST_F(DamageBranches, UniformTakesNoHalves) {
  const PlanStep step = propose('U', 3 * kMlpHalf, {3, 1, 2, 4}, {{"halves", true}});
  for (const LayerRemoval& removal : step.removals) {
    EXPECT_FALSE(removal.mlp || removal.attention || removal.whole);
  }
}

class HalfLayerBranches : public DamageBranches {
 protected:
  PlanStep propose_half(char letter, int64_t budget, const std::vector<double>& cost,
                        Owed owed = {}, const std::vector<int32_t>& protect = {}) {
    LinearCurves curves(model_.config(), cost);
    const Options options;
    BranchInput input{model_.config(), budget, owed, options, protect, {}};
    input.closing = budget != worth_;
    return find_branch(letter).propose(input, model_, curves);
  }
  const int64_t worth_ = layer_worth(model_.config());  // 7744
};

TEST_F(HalfLayerBranches, TakeTheHalvesOfLeastDamageAndOweTheRest) {
  const PlanStep step = propose_half('M', worth_, {3, 1, 2, 4});
  EXPECT_EQ(step.branch, "mlp");
  ASSERT_EQ(step.removals.size(), 2u) << "1.7 halves are a layer's worth";
  EXPECT_EQ(step.removals[0].layer, 1);
  EXPECT_EQ(step.removals[1].layer, 2);
  EXPECT_TRUE(step.removals[0].mlp && step.removals[1].mlp);
  EXPECT_EQ(removed(step), 2 * kMlpHalf);
  EXPECT_DOUBLE_EQ(step.owed.parameters, static_cast<double>(worth_ - 2 * kMlpHalf));
  EXPECT_EQ(propose_half('M', worth_, {3, 1, 2, 4}, step.owed).removals.size(), 1u);
}

TEST_F(HalfLayerBranches, MeetATargetAndKeepOneHalfOfTheModel) {
  EXPECT_EQ(propose_half('A', kAttentionHalf + 1, {1, 1, 1, 1}).removals.size(), 2u);
  EXPECT_EQ(propose_half('A', 10 * worth_, {1, 1, 1, 1}).removals.size(), 3u);
  const PlanStep step = propose_half('A', kAttentionHalf, {1, 1, 1, 1}, {}, {0, 1});
  ASSERT_EQ(step.removals.size(), 1u);
  EXPECT_EQ(step.removals[0].layer, 2);
  EXPECT_TRUE(step.removals[0].attention);
  EXPECT_THROW(propose_half('A', kAttentionHalf, {1, 1, 1, 1}, {}, {0, 1, 2, 3}), Error);
}

TEST_F(HalfLayerBranches, ALayersLastHalfIsTheLayer) {
  std::vector<Layer> layers = model_.layers();
  layers[2].neurons.clear();
  model_ = model_.with_layers(layers);
  const PlanStep step = propose_half('A', kAttentionHalf, {1, 1, 1, 1}, {}, {0, 1, 3});
  ASSERT_EQ(step.removals.size(), 1u);
  EXPECT_EQ(step.removals[0], (LayerRemoval{2, true, {}, {}, {}}));
  const Options options;
  const BranchInput input{model_.config(), kAttentionHalf, {}, options, {0, 1, 3}, {}};
  const ShapeStep counted = find_branch('A').count(input);
  EXPECT_THAT(counted.removed_layers, ElementsAre(2));
  EXPECT_EQ(counted.layers.size(), 3u);
}

TEST_F(DamageBranches, UniformWantsEqualLayers) {
  std::vector<Layer> layers = model_.layers();
  layers[1].neurons.pop_back();
  const Model differing = model_.with_layers(layers);
  const Options options;
  EXPECT_THROW(find_branch('U').count({differing.config(), 960, {}, options, {}, {}}), Error);
  EXPECT_NO_THROW(find_branch('D').count({differing.config(), 960, {}, options, {}, {}}));
}

}  // namespace
}  // namespace mop::testing
