// The loop on small random models, with a third branch that exists in this file alone.
#include "search/mix.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "kit/configs.h"
#include "kit/random_model.h"
#include "model/family.h"
#include "plan/target.h"
#include "search/candidates.h"
#include "search/preview.h"
#include "structure/unit.h"

namespace mop {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::TempFolder;

int clips_proposed = 0;

// Branch "clip": the highest neurons of the first layer go.
int64_t neurons_to_clip(const BranchInput& input) {
  const LayerShape& shape = input.config.layers[0];
  const int64_t each = unit_parameters(UnitKind::kNeuron, input.config, shape);
  const int64_t count = std::min(shape.mlp - 1, std::max<int64_t>(1, input.budget / each));
  if (count <= 0) throw bad_input("layer 0 has no neuron to clip");
  return count;
}

ShapeStep count_clip(const BranchInput& input) {
  ShapeStep step{input.config.layers, {}, {}};
  step.layers[0].mlp -= neurons_to_clip(input);
  return step;
}

PlanStep propose_clip(const BranchInput& input, const Model& model, Measure&) {
  ++clips_proposed;
  const Layer& layer = model.layers()[0];
  LayerRemoval removal;
  removal.layer = layer.source;
  removal.neurons.assign(layer.neurons.end() - neurons_to_clip(input), layer.neurons.end());
  ModelConfig after = model.config();
  after.layers = count_clip(input).layers;
  return {"clip", {removal}, {}, total_parameters(after)};
}

const Branch& clip_branch() {
  static const bool added = [] {
    add_branch({'K', "clip", "the highest neurons of the first layer", count_clip, propose_clip});
    return true;
  }();
  (void)added;
  return find_branch('K');
}

// Scores that need no pass: the index itself.
class IndexMeasure : public Measure {
 public:
  IndexMeasure(const Model& model, int& asked) : model_(model), asked_(asked) {}
  const std::vector<at::Tensor>& scores(const std::string& criterion) override {
    ++asked_;
    auto& scores = scores_[criterion];
    scores.clear();
    for (const LayerShape& shape : model_.config().layers) {
      const int64_t units = criterion == "amp-heads" ? shape.kv_heads : shape.mlp;
      scores.push_back(at::arange(units, at::kDouble));
    }
    return scores;
  }

 private:
  const Model& model_;
  int& asked_;
  std::map<std::string, std::vector<at::Tensor>> scores_;
};

class Mix : public ::testing::Test {
 protected:
  Mix() {
    clip_branch();
    testing::write_random_model(folder_.path(), {.layers = 6});
    dense_.emplace(Model::open(folder_.path()));
    use({"depth", "width"});
    clips_proposed = 0;
  }

  void use(const std::vector<std::string>& names) {
    recipe_.branches.clear();
    for (const std::string& name : names)
      recipe_.branches.push_back({&find_branch(name), Options()});
  }

  BudgetFunction budget() const {
    return [this](const ModelConfig& current, int64_t done) {
      return next_budget(target_, dense_->config(), current, done);
    };
  }

  MixResult run(const std::vector<PlanStep>& done = {}) {
    MixFunctions functions;
    functions.budget = budget();
    functions.measure = [&](const Model& model, int64_t step) {
      measured_steps_.push_back(step);
      return std::make_unique<IndexMeasure>(model, asked_);
    };
    functions.validate = [&](const std::vector<Model>& models) {
      std::vector<Validation> figures;
      // Whoever keeps more neurons in the first layer is better: depth beats clip.
      for (const Model& model : models) {
        validated_.push_back(model.num_layers());
        figures.push_back({1.0 / static_cast<double>(model.config().layers[0].mlp), 0, 0});
      }
      return figures;
    };
    if (repairs_) {
      functions.repair = [&](const Model& cut) {
        repaired_.push_back(cut.num_layers());
        std::vector<Layer> layers = cut.layers();
        layers[0].changed[Role::kInputNorm] = at::full({32}, double(repaired_.size()));
        return cut.with_layers(layers);
      };
    }
    functions.replayed = [&] { repaired_before_ = repaired_.size(); };
    functions.record = [&](const MixStep& step, const Model&) { recorded_.push_back(step); };
    return mix(*dense_, recipe_, done, functions);
  }

  std::vector<std::string> branches(const std::vector<PlanStep>& steps) {
    std::vector<std::string> names;
    for (const PlanStep& step : steps) names.push_back(step.branch);
    return names;
  }

  TempFolder folder_;
  std::optional<Model> dense_;
  MixRecipe recipe_{{}, "path:LG", 0, {}};
  Target target_{.iterations = 3};
  bool repairs_ = false;
  std::vector<int64_t> measured_steps_, validated_, repaired_;
  std::optional<size_t> repaired_before_;  ///< repairs when the new steps began
  std::vector<MixStep> recorded_;
  int asked_ = 0;
};

TEST_F(Mix, CandidatesAreRepairedBeforeTheyAreJudgedAndStepsThatAreDoneAreRepairedAgain) {
  use({"clip", "depth"});
  recipe_.selector = "perplexity";
  target_.iterations = 2;
  repairs_ = true;
  const MixResult result = run();
  EXPECT_THAT(repaired_, ElementsAre(6, 5, 5, 4)) << "both candidates of both steps";
  EXPECT_EQ(result.model.layers()[0].changed.at(Role::kInputNorm)[0].item<double>(), 4);
  repaired_.clear();
  run({result.steps[0]});
  EXPECT_THAT(repaired_, ElementsAre(5, 5, 4)) << "the step that is done, then the candidates";
  EXPECT_EQ(repaired_before_, 1u) << "new steps begin when the done ones are repaired";
}

TEST_F(Mix, FollowsThePathAndRecordsEveryStep) {
  const MixResult result = run();
  EXPECT_THAT(branches(result.steps), ElementsAre("depth", "width", "depth"));
  EXPECT_EQ(result.model.num_layers(), 4);
  EXPECT_EQ(total_parameters(result.model.config()), result.steps.back().parameters);
  ASSERT_EQ(recorded_.size(), 3u);
  EXPECT_EQ(recorded_[1].number, 2);
  EXPECT_THAT(recorded_[1].candidates, ElementsAre("depth", "width"));
  EXPECT_TRUE(recorded_[1].figures.empty());
}

TEST_F(Mix, APathNeverMeasuresForABranchThatLoses) {
  run();
  EXPECT_THAT(measured_steps_, ElementsAre(2));
}

TEST_F(Mix, PathAndRandomBuildOnlyWhatTheyTake) {
  use({"clip", "depth"});
  recipe_.selector = "path:L";
  run();
  EXPECT_EQ(clips_proposed, 0);
  recipe_.selector = "random";
  target_.iterations = 4;
  const MixResult result = run();
  const std::vector<std::string> taken = branches(result.steps);
  EXPECT_EQ(clips_proposed, std::count(taken.begin(), taken.end(), "clip"));
  EXPECT_TRUE(validated_.empty());
}

TEST_F(Mix, AThirdBranchTakesPartInEverySelector) {
  use({"depth", "width", "clip"});
  recipe_.selector = "path:LGK";
  EXPECT_THAT(branches(run().steps), ElementsAre("depth", "width", "clip"));
  recipe_.selector = "perplexity";
  target_.iterations = 1;
  const MixResult result = run();
  EXPECT_THAT(validated_, ElementsAre(5, 6, 6));
  EXPECT_THAT(branches(result.steps), ElementsAre("depth"));
  EXPECT_EQ(recorded_.back().figures.size(), 3u);
}

TEST_F(Mix, StatisticsAreMeasuredOnceAStepHoweverOftenScoresAreAsked) {
  use({"depth", "width"});
  recipe_.selector = "perplexity";
  target_.iterations = 2;
  run();
  EXPECT_THAT(measured_steps_, ElementsAre(1, 2));
  EXPECT_GE(asked_, 2);
}

TEST_F(Mix, ContinuingAfterAnyStepGivesTheSamePath) {
  recipe_.selector = "random";
  recipe_.seed = 7;
  target_.iterations = 4;
  const MixResult whole = run();
  for (size_t done = 0; done <= whole.steps.size(); ++done) {
    recorded_.clear();
    const MixResult resumed =
        run({whole.steps.begin(), whole.steps.begin() + static_cast<long>(done)});
    EXPECT_EQ(resumed.steps, whole.steps) << "resumed after " << done;
    EXPECT_EQ(recorded_.size(), whole.steps.size() - done);
  }
}

TEST_F(Mix, MeetsAFractionWithTheBranchThatCan) {
  recipe_.selector = "path:LG";
  target_ = {.iterations = 0, .remove_fraction = 0.3, .of_blocks = true};
  const MixResult result = run();
  const double left = static_cast<double>(block_parameters(result.model.config())) /
                      static_cast<double>(block_parameters(dense_->config()));
  EXPECT_LE(left, 0.7);
  EXPECT_GT(left, 0.68);
}

TEST_F(Mix, APathThatAsksForADepthStepTooManySaysSo) {
  recipe_.selector = "path:L";
  target_.iterations = 5;
  try {
    run();
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
    EXPECT_THAT(e.what(), HasSubstr("at least 3 layers, the model has 2"));
  }
}

TEST_F(Mix, RandomGoesOnWithTheBranchThatIsLeft) {
  recipe_.selector = "random";
  use({"depth", "clip"});
  target_.iterations = 5;  // depth can be taken four times, clip once
  EXPECT_EQ(run().model.num_layers(), 2);
  target_.iterations = 12;
  EXPECT_THROW(run(), Error);
}

TEST_F(Mix, ThePreviewKnowsThePathOfEverySeedAndPath) {
  use({"depth", "width", "clip"});
  target_ = {.iterations = 0, .remove_fraction = 0.4, .of_blocks = true};
  for (const std::string selector : {"random", "path:LGC", "path:GGL"}) {
    recipe_.selector = selector;
    for (recipe_.seed = 0; recipe_.seed < 8; ++recipe_.seed) {
      const auto letters = preview_path(dense_->config(), recipe_, budget());
      std::string taken;
      for (const PlanStep& step : run().steps) taken += find_branch(step.branch).letter;
      EXPECT_EQ(letters, taken) << selector << ", seed " << recipe_.seed;
    }
  }
}

TEST_F(Mix, ThereIsNoPreviewWhenFiguresDecide) {
  recipe_.selector = "kl";
  EXPECT_EQ(preview_path(dense_->config(), recipe_, budget()), std::nullopt);
}

TEST_F(Mix, APreviewNamesTheStepThatCannotBeTaken) {
  recipe_.selector = "path:L";
  target_.iterations = 5;
  try {
    preview_path(dense_->config(), recipe_, budget());
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("step: 5"));
  }
}

TEST(StallCheckTest, EndsARunThatRemovesNothing) {
  TempFolder folder;
  testing::write_random_model(folder.path());
  const Model model = Model::open(folder.path());
  StallCheck stall_check;
  for (int i = 0; i < 64; ++i) stall_check.check(model.config());
  EXPECT_THROW(stall_check.check(model.config()), Error);
}

// A pack of 256 neurons is 147456 parameters of one layer, 1.77 M of all. No group may go: three
// groups of 64 are the only multiple of 192.
TEST(Candidates, ABranchThatRoundsTheBudgetToNothingGivesWay) {
  const ModelConfig config = testing::tinystories_12l();
  const Json settings = {{"shape_multiple", 256}, {"head_multiple", 192}};
  const auto offered = [&](bool closing) {
    std::vector<BranchUse> uses;
    for (const char* name : {"damage", "damage-uniform"})
      uses.push_back({&find_branch(name), Options(name, settings)});
    std::vector<std::unique_ptr<BranchCandidate>> all;
    for (const BranchUse& use : uses) {
      all.push_back(std::make_unique<BranchCandidate>(
          use,
          BranchInput{
              .config = config, .budget = 300000, .options = use.options, .closing = closing}));
    }
    std::vector<std::string> names;
    for (const Candidate* candidate : candidates_to_offer(all))
      names.push_back(candidate->branch().name);
    return names;
  };
  EXPECT_THAT(offered(true), ElementsAre("damage"));
  EXPECT_THAT(offered(false), ElementsAre("damage", "damage-uniform"));
}

}  // namespace
}  // namespace mop
