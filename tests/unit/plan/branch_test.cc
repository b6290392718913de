// tests/unit/plan/branch_test.cc -- what the two branches propose on a small model.
#include "plan/branch.h"

#include <ATen/ops/arange.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "kit/random_model.h"
#include "model/family.h"

namespace mop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// Scores fall with the index, so the last units go; counts how often it was asked.
class FallingScores : public Measure {
 public:
  explicit FallingScores(const ModelConfig& config) {
    for (const LayerShape& shape : config.layers) {
      groups_.push_back(-at::arange(shape.kv_heads, at::kDouble));
      neurons_.push_back(-at::arange(shape.mlp, at::kDouble));
    }
  }
  const std::vector<at::Tensor>& scores(const std::string& criterion) override {
    asked.push_back(criterion);
    return find_criterion(criterion).unit == UnitKind::kKvGroup ? groups_ : neurons_;
  }
  std::vector<std::string> asked;

 private:
  std::vector<at::Tensor> groups_, neurons_;
};

class Branches : public ::testing::Test {
 protected:
  // 4 layers, hidden 32, 4 heads of 8 over 2 KV heads, 48 neurons: attention 3072, MLP 4608,
  // norms 64.
  Branches() {
    write_random_model(folder_.path());
    model_ = Model::open(folder_.path());
  }
  BranchInput input(const Options& options, const Model& model) const {
    return {model.config(), layer_worth(model.config()), {}, options, {}, {}};
  }
  TempFolder folder_;
  Model model_;
};

TEST_F(Branches, DepthRemovesTheThirdFromTheEnd) {
  const Options options;
  FallingScores scores(model_.config());
  const PlanStep step = find_branch('L').propose(input(options, model_), model_, scores);
  EXPECT_EQ(step.branch, "depth");
  ASSERT_EQ(step.removals.size(), 1u);
  EXPECT_EQ(step.removals[0], (LayerRemoval{1, true, {}, {}, {}}));
  EXPECT_EQ(step.parameters, total_parameters(model_.config()) - (3072 + 4608 + 64));
  EXPECT_THAT(scores.asked, IsEmpty());
}

TEST_F(Branches, DepthCountsFromTheEndOfTheCurrentModel) {
  std::vector<Layer> layers = model_.layers();
  layers.erase(layers.begin() + 2);
  const Model shorter = model_.with_layers(layers);  // 0 1 3
  const Options options;
  FallingScores scores(shorter.config());
  EXPECT_EQ(find_branch('L').propose(input(options, shorter), shorter, scores).removals[0].layer,
            0);
}

TEST_F(Branches, DepthTakesTheNearestUnprotectedLayerBefore) {
  const Options options;
  FallingScores scores(model_.config());
  BranchInput in = input(options, model_);
  in.protect = {1};
  EXPECT_EQ(find_branch('L').propose(in, model_, scores).removals[0].layer, 0);
  EXPECT_THAT(find_branch('L').count(in).removed_layers, ElementsAre(0));
  in.protect = {0, 1};
  try {
    find_branch('L').propose(in, model_, scores);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("all 2 layers up to the third from the end are protected"));
  }
}

TEST_F(Branches, WidthRemovesTheLowestUnitsInSourceIndices) {
  // Worth 7744; a group from all layers costs 6144, so one goes; the rest is 4.2 neurons.
  const Options options;
  FallingScores scores(model_.config());
  BranchInput in = input(options, model_);
  in.owed.attention_parameters = 6144;
  const PlanStep step = find_branch('G').propose(in, model_, scores);
  EXPECT_EQ(step.branch, "width");
  ASSERT_EQ(step.removals.size(), 4u);
  EXPECT_EQ(step.removals[3], (LayerRemoval{3, false, {2, 3}, {1}, {44, 45, 46, 47}}));
  EXPECT_EQ(step.parameters, total_parameters(model_.config()) - 4 * (1536 + 4 * 96));
  EXPECT_DOUBLE_EQ(step.owed.parameters, 7744 - 4 * (1536 + 4 * 96));
}

TEST_F(Branches, WidthNamesTheSourceOfWhatIsLeft) {
  std::vector<Layer> layers = model_.layers();
  for (Layer& layer : layers) {
    layer.heads = {2, 3};
    layer.kv_heads = {1};
    layer.neurons = {1, 3, 5, 7, 20, 40};
  }
  const Model narrow = model_.with_layers(layers);
  const Options options("width", {{"rule", "mlp-only"}});
  FallingScores scores(narrow.config());
  BranchInput in = input(options, narrow);
  in.budget = 2 * 4 * 96;
  const PlanStep step = find_branch('G').propose(in, narrow, scores);
  EXPECT_THAT(step.removals[0].neurons, ElementsAre(20, 40));
  EXPECT_THAT(scores.asked, ElementsAre("amp-neurons"));
}

TEST_F(Branches, CountAndProposalAgree) {
  const Options depth, width("width", {{"budget", "released"}, {"rule", "gqa"}});
  FallingScores scores(model_.config());
  for (const char letter : {'L', 'G'}) {
    const BranchInput in = input(letter == 'L' ? depth : width, model_);
    const ModelConfig after = after_step(model_.config(), find_branch(letter).count(in));
    EXPECT_EQ(find_branch(letter).propose(in, model_, scores).parameters, total_parameters(after));
  }
}

TEST_F(Branches, WidthRefusesLayersScoredByACriterionOfUnits) {
  const Options options("width", {{"allocation", "ecoflap"}, {"layers", "amp-neurons"}});
  EXPECT_THROW(find_branch("width").count(input(options, model_)), Error);
  const Options random("width", {{"allocation", "ecoflap"}, {"layers", "random-layers"}});
  EXPECT_EQ(find_branch("width").criteria(model_.config(), random).back(), "random-layers");
}

TEST_F(Branches, WidthRefusesACriterionOfOtherUnits) {
  const Options options("width", {{"heads", "amp-neurons"}});
  try {
    find_branch("width").count(input(options, model_));
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(
        error.what(),
        HasSubstr(
            "criterion 'amp-neurons' ranks neurons, but 'heads' needs one that ranks KV groups"));
  }
}

struct ReachCase {
  char letter;
  Json settings;
  std::optional<int64_t> neurons = {}, groups = {};  // multiples
  std::optional<int64_t> kept_groups = {};           // of every layer; nullopt = unknown
  bool whole_parts = false, layers_differ = false, neurons_fill = false;
};

TEST_F(Branches, ReachFollowsFromTheSettings) {
  const Json multiples = {{"min_kv_groups", 2}, {"shape_multiple", 16}, {"head_multiple", 8}};
  const auto with = [&](const char* key, const Json& value) {
    Json settings = multiples;
    settings[key] = value;
    return settings;
  };
  const std::vector<ReachCase> cases = {
      {.letter = 'L', .settings = Json::object(), .whole_parts = true},
      {.letter = 'A', .settings = Json::object(), .whole_parts = true, .layers_differ = true},
      {'G', multiples, 16, 8, 2, false, false, true},
      {'G', with("rule", "mlp-only"), 16, std::nullopt, kAllUnits, false, false, true},
      {'G', with("allocation", "owl"), 16, 8, 2, false, true, false},
      {'D', multiples, 16, 8, 2, false, true, false},
      {'D', with("halves", true), 16, 8, 2, true, true, false},
      {'U', with("halves", true), 16, 8, 2, false, false, false},
      {'C', {{"shape_multiple", 16}}, 16, std::nullopt, std::nullopt, false, false, true},
  };
  for (const ReachCase& row : cases) {
    SCOPED_TRACE(fmt::format("{} {}", row.letter, row.settings.dump()));
    const Branch& branch = find_branch(row.letter);
    const Options options(branch.name, row.settings, branch.options);
    const Reach reach = reach_of(branch, model_.config(), options);
    EXPECT_EQ(multiple_of(reach, UnitKind::kNeuron), row.neurons);
    EXPECT_EQ(multiple_of(reach, UnitKind::kKvGroup), row.groups);
    EXPECT_EQ(reach.kept ? std::optional(reach.kept->kv_groups) : std::nullopt, row.kept_groups);
    EXPECT_EQ(reach.whole_parts, row.whole_parts);
    EXPECT_EQ(reach.layers_differ, row.layers_differ);
    EXPECT_EQ(reach.neurons_fill, row.neurons_fill);
  }
}

TEST_F(Branches, NoCountGoesBeyondItsReach) {
  const int64_t everything = 4 * layer_worth(model_.config());
  for (const char letter : {'G', 'D', 'U'}) {
    const Branch& branch = find_branch(letter);
    const Options options(branch.name, {{"shape_multiple", 16}, {"head_multiple", 8}},
                          branch.options);
    const Reach reach = reach_of(branch, model_.config(), options);
    for (const int64_t part : {8, 4, 2}) {
      const BranchInput in = {
          .config = model_.config(), .budget = everything / part, .options = options};
      for (const LayerShape& shape : branch.count(in).layers) {
        EXPECT_GE(shape.kv_heads, reach.kept->kv_groups) << letter;
        EXPECT_GE(shape.mlp, reach.kept->neurons) << letter;
        EXPECT_EQ(shape.mlp % *multiple_of(reach, UnitKind::kNeuron), 0) << letter;
      }
    }
  }
}

TEST(BranchTable, KnowsNamesAndLetters) {
  EXPECT_EQ(find_branch("depth").letter, 'L');
  EXPECT_EQ(find_branch('G').name, "width");
  EXPECT_THROW(find_branch("height"), Error);
}

TEST(BranchTable, RefusesATakenLetter) {
  Branch branch = find_branch("depth");
  branch.name = "another";
  try {
    add_branch(branch);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("'depth' (L) has the same name or letter"));
  }
}

}  // namespace
}  // namespace mop::testing
