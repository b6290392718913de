// tests/unit/plan/damage_branch_test.cc -- what the branches by damage propose for known curves.
#include <gmock/gmock.h>

#include "base/error.h"
#include "base/json.h"
#include "kit/random_model.h"
#include "model/family.h"
#include "plan/branch.h"

namespace mop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Layer l's k-th neuron to go is the k-th from the end and costs cost[l]; groups cost much more.
class LinearCurves : public Measure {
 public:
  LinearCurves(const ModelConfig& config, const std::vector<double>& cost) {
    for (size_t i = 0; i < config.layers.size(); ++i) {
      curves_.push_back({line(config.layers[i].kv_heads, 1000), line(config.layers[i].mlp, cost[i])});
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
    const PlanStep step = find_branch(letter).propose(
        {model_.config(), budget, {}, options, {}, {}}, model_, curves);
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
  const PlanStep step = find_branch('D').propose({model_.config(), 2 * 1536, {}, options, {}, {}},
                                                 model_, curves);
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
