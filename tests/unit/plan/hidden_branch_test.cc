// tests/unit/plan/hidden_branch_test.cc -- which hidden channels go, and how a budget is met.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "kit/random_model.h"
#include "kit/refusal.h"
#include "model/family.h"
#include "plan/accounting.h"
#include "plan/branch.h"
#include "structure/unit.h"

namespace mop::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Of channels every layer has an opinion of its own; neurons fall with their index.
class Opinions : public Measure {
 public:
  explicit Opinions(const ModelConfig& config) {
    for (size_t i = 0; i < config.layers.size(); ++i) {
      channels_.push_back(at::ones({config.hidden}, at::kDouble));
      neurons_.push_back(-at::arange(config.layers[i].mlp, at::kDouble));
    }
    channels_[0][5] = 0.5;    // 3.5 in all
    channels_[1][9] = -3;     // 0
    channels_[2][5] = 3;      // and so 5.5
    channels_[3][20] = 0.25;  // 3.25
  }
  const std::vector<at::Tensor>& scores(const std::string& criterion) override {
    asked.push_back(criterion);
    return find_criterion(criterion).unit == UnitKind::kChannel ? channels_ : neurons_;
  }
  std::vector<std::string> asked;

 private:
  std::vector<at::Tensor> channels_, neurons_;
};

// 4 layers of 3072 + 4608 + 64, vocabulary 96 twice, a norm: 37152 parameters, all along the 32
// channels, 1161 each. A neuron of every layer is 4 * 96.
class HiddenBranch : public ::testing::Test {
 protected:
  HiddenBranch() {
    write_random_model(folder_.path());
    model_ = Model::open(folder_.path());
  }
  BranchInput input(const Options& options, int64_t budget) const {
    return {.config = model_.config(), .budget = budget, .options = options, .closing = true};
  }
  static const Branch& branch() { return find_branch('C'); }
  int64_t before() const { return total_parameters(model_.config()); }
  TempFolder folder_;
  Model model_;
};

TEST_F(HiddenBranch, AChannelIsAllOfItsColumns) {
  EXPECT_EQ(before(), 37152);
  EXPECT_EQ(unit_parameters(UnitKind::kChannel, model_.config(), {}), 1161);
}

TEST_F(HiddenBranch, TakesTheLowestSumsOverTheLayers) {
  const Options options("hidden", {{"channel_multiple", 2}, {"criterion", "magnitude-hidden"}});
  Opinions measure(model_.config());
  const PlanStep step = branch().propose(input(options, 2 * 1161), model_, measure);
  EXPECT_THAT(step.channels, ElementsAre(9, 20));
  EXPECT_TRUE(step.removals.empty());
  EXPECT_EQ(step.parameters, before() - 2 * 1161);
  EXPECT_THAT(measure.asked, ElementsAre("magnitude-hidden"));
}

TEST_F(HiddenBranch, NeuronsMakeUpWhatIsLessThanAPack) {
  // 5 channels' worth: 4 go, and 1161 more by neurons of 28 channels: 3 * 28 * 4 = 336 a row, so 4.
  const Options options("hidden", {{"channel_multiple", 4}});
  Opinions measure(model_.config());
  const PlanStep step = branch().propose(input(options, 5 * 1161), model_, measure);
  EXPECT_EQ(step.channels.size(), 4u);
  ASSERT_EQ(step.removals.size(), 4u);
  EXPECT_THAT(step.removals[2].neurons, ElementsAre(44, 45, 46, 47));
  EXPECT_EQ(step.parameters, before() - 4 * 1161 - 4 * 336);
}

TEST_F(HiddenBranch, CountAndProposalAgree) {
  for (const int64_t multiple : {1, 2, 4, 8}) {
    for (const int64_t budget : {300, 3000, 9000, 20000}) {
      const Options options("hidden", {{"channel_multiple", multiple}});
      Opinions measure(model_.config());
      const BranchInput in = input(options, budget);
      const ModelConfig after = after_step(model_.config(), branch().count(in));
      const PlanStep step = branch().propose(in, model_, measure);
      EXPECT_EQ(step.parameters, total_parameters(after));
      EXPECT_EQ(after.hidden % multiple, 0);
      EXPECT_GE(before() - step.parameters, budget);
      EXPECT_LE(before() - step.parameters, budget + 4 * 96) << "a neuron of every layer";
    }
  }
}

TEST_F(HiddenBranch, KeepsAMultiple) {
  const Options options("hidden", {{"channel_multiple", 8}});
  const ShapeStep step = branch().count(input(options, 30000));
  EXPECT_EQ(step.hidden, 8);
}

TEST_F(HiddenBranch, MeetsAFractionExactly) {
  AccountOptions options{"C", {.remove_fraction = 0.4}, {}, {}};
  const Accounting accounting = account(model_.config(), options);
  const AccountedStep& last = accounting.steps.back();
  EXPECT_LT(last.hidden, 32);
  EXPECT_GE(accounting.removed_fraction(last), 0.4);
  EXPECT_LE(accounting.removed_fraction(last), 0.4 + 4 * 96. / 37152);
}

TEST_F(HiddenBranch, NamesItsSettings) {
  const Json settings = branch().defaults(model_.config(), Json::object());
  EXPECT_EQ(settings["channel_multiple"], 2) << "two packs within 7744 parameters";
  EXPECT_EQ(settings["criterion"], "minitron-hidden");
  EXPECT_THROW(branch().defaults(model_.config(), {{"criterion", "amp-neurons"}}), Error);
}

TEST_F(HiddenBranch, RefusesALanguageModelThatSees) {
  const TempFolder folder;
  write_random_model(folder.path(), {.within = "llava"});
  const Model model = Model::open(folder.path());
  EXPECT_THAT(refusal_of([&] { branch().defaults(model.config(), Json::object()); }),
              HasSubstr("the hidden channels of a llava"));
}

}  // namespace
}  // namespace mop::testing
