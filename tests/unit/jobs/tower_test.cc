// tests/unit/jobs/tower_test.cc -- a vision tower's heads and neurons: cut, masked, counted and
// scored as those of a language model are.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>

#include <cmath>

#include "base/error.h"
#include "base/files.h"
#include "criteria/criterion.h"
#include "eval/validation.h"
#include "jobs/tower_scores.h"
#include "kit/random_model.h"
#include "kit/refusal.h"
#include "model/composite.h"
#include "model/family.h"
#include "plan/target.h"
#include "recipe/recipe.h"
#include "run/pictures.h"
#include "surgery/surgery.h"
#include "vision/image_encoder.h"

namespace mop::testing {
namespace {
namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr int64_t kVocab = 96, kPlaceholder = 95;

// Four tower layers, of which three are computed: hidden 16, 4 heads of 4, 28 neurons, 9 patches.
class Tower : public ::testing::Test {
 protected:
  Tower() {
    write_random_model(folder_.path(),
                       {.layers = 2, .within = "llava", .tower_layers = 4, .tower_heads = 4});
    write_file(folder_.path() / "preprocessor_config.json",
               R"({"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 12},
                   "crop_size": {"height": 12, "width": 12}})");
    model_ = Model::open(folder_.path());
  }

  static PlanStep step(std::vector<LayerRemoval> tower) {
    return {"vision", {}, {}, 0, std::move(tower)};
  }
  std::string refusal(std::vector<LayerRemoval> tower) const {
    return refusal_of([&] { apply(step(std::move(tower)), model_); });
  }

  static at::Tensor features(const Model& model, const TowerPass& pass = {}) {
    const at::NoGradGuard no_gradient;
    const ClipTower tower(model);
    const at::Tensor pixels_B3HW = at::arange(3 * 3 * 144, at::kFloat).sin().view({3, 3, 12, 12});
    return tower.features(tower.embed(pixels_B3HW, {}), 2, {}, pass);
  }

  // Six questions about three pictures.
  void show(Pictures& pictures, TokenSamples& samples) const {
    const fs::path golden = fs::path(MOP_SOURCE_DIR) / "tests/golden/vision/pictures";
    for (int64_t i = 0; i < 6; ++i) {
      const fs::path file = golden / std::vector{"wide.png", "tall.png", "420.jpg"}[i % 3];
      samples.ids.push_back(pictures.placed({3 + i, kPlaceholder, 7, 11 + i, 20 + 2 * i}, {file}));
    }
  }

  TempFolder folder_;
  Model model_;
};

TEST_F(Tower, HasUnitsAtTheirCost) {
  const ModelConfig& tower = tower_config(model_.config());
  ASSERT_EQ(tower.layers.size(), 3u);
  EXPECT_EQ(model_.config().composite->unused_layers(), 1);
  // Four rows or columns of 16 in each of q, k, v and out_proj, and a bias in three of them.
  EXPECT_EQ(unit_parameters(UnitKind::kKvGroup, tower, tower.layers[0]), 4 * (4 * 16 + 3));
  EXPECT_EQ(unit_parameters(UnitKind::kNeuron, tower, tower.layers[0]), 2 * 16 + 1);
}

TEST_F(Tower, WithoutUnitsItIsCountedToTheLast) {
  const int64_t before = total_parameters(model_.config());
  const Model cut = apply(step({{0, false, {1}, {1}, {0, 5}}, {2, false, {}, {}, {27}}}), model_);
  // The idle layer goes, too: its matrices, biases and norms.
  const int64_t idle = 4 * (16 * 16 + 16) + 2 * 16 * 28 + 28 + 16 + 4 * 16;
  const int64_t expected = before - 4 * (4 * 16 + 3) - 3 * (2 * 16 + 1) - idle;
  verify(cut, expected);
  EXPECT_EQ(cut.config().composite->unused_layers(), 0);
  EXPECT_THAT(cut.config().composite->projector.feature_layers, ElementsAre(-1));
  EXPECT_EQ(cut.tower()->config().layers[0].heads, 3);
  EXPECT_EQ(total_parameters(model_.config()), before);  // another value, the same as it was
}

TEST_F(Tower, AMaskedUnitIsASlicedOne) {
  const Model cut = apply(step({{1, false, {0, 2}, {0, 2}, {3, 4, 20}}}), model_);
  LayerMask mask;
  mask.heads_H = at::tensor({0.f, 1.f, 0.f, 1.f});
  mask.neurons_I = at::ones({28});
  for (const int64_t i : {3, 4, 20}) mask.neurons_I[i] = 0;
  TowerPass pass;
  pass.mask = [&](int64_t layer) { return layer == 1 ? &mask : nullptr; };
  const at::Tensor sliced_BTD = features(cut), masked_BTD = features(model_, pass);
  const double largest = sliced_BTD.abs().max().item<double>();
  EXPECT_LE((sliced_BTD - masked_BTD).abs().max().item<double>(), 1e-5 * largest);
  EXPECT_GE((sliced_BTD - features(model_)).abs().max().item<double>(), 1e-3 * largest);
}

TEST_F(Tower, RefusesWhatIsNotThere) {
  EXPECT_THAT(refusal({{3, false, {}, {}, {1}}}), HasSubstr("removes units of layer 3"));
  EXPECT_THAT(refusal({{0, false, {4}, {4}, {}}}), HasSubstr("no query head 4"));
  EXPECT_THAT(refusal({{0, false, {0, 1, 2, 3}, {0, 1, 2, 3}, {}}}), HasSubstr("at least 1"));
  TempFolder plain, tiles;
  write_random_model(plain.path());
  write_random_model(tiles.path(), {.within = "llava_next"});
  for (const fs::path& folder : {plain.path(), tiles.path()}) {
    const Model other = Model::open(folder);
    EXPECT_THAT(refusal_of([&] {
                  apply(step({{0, false, {}, {}, {1}}}), other);
                }),
                HasSubstr("none that is computed"));
    EXPECT_THROW(tower_config(other.config()), Error);
  }
}

TEST_F(Tower, RowsOfAnotherTowerAreGone) {
  const Model seeing = model_.with_input_rows(at::zeros({9, 32}));
  EXPECT_FALSE(apply(step({{0, false, {}, {}, {1}}}), seeing).input_rows().defined());
  EXPECT_TRUE(seeing.with_layers(seeing.layers()).input_rows().defined());
}

TEST_F(Tower, MagnitudeIsTheNormOfAUnitsWeightsAndBiases) {
  const auto scores = score_tower(model_, {}, {}, nullptr,
                                  std::vector<std::string>{"magnitude-heads", "magnitude-neurons"},
                                  {}, silent_progress());
  const auto tensor = [&](const std::string& name) {
    return model_.checkpoint().tensor("vision_tower.encoder.layers.1." + name);
  };
  double head = 0, neuron = 0;
  for (const char* part : {"q_proj", "k_proj", "v_proj"}) {
    const std::string name = std::string("self_attn.") + part;
    head += tensor(name + ".weight").slice(0, 8, 12).square().sum().item<double>();
    head += tensor(name + ".bias").slice(0, 8, 12).square().sum().item<double>();
  }
  head += tensor("self_attn.out_proj.weight").slice(1, 8, 12).square().sum().item<double>();
  neuron += tensor("mlp.fc1.weight")[5].square().sum().item<double>() +
            tensor("mlp.fc1.bias")[5].square().item<double>() +
            tensor("mlp.fc2.weight").select(1, 5).square().sum().item<double>();
  ASSERT_EQ(scores.at("magnitude-heads").size(), 3u);
  EXPECT_NEAR(scores.at("magnitude-heads")[1][2].item<double>(), std::sqrt(head), 1e-5);
  EXPECT_NEAR(scores.at("magnitude-neurons")[1][5].item<double>(), std::sqrt(neuron), 1e-5);
}

// A head's score is what the loss rises by when it is cut and the pictures are encoded again.
TEST_F(Tower, MopeIsTheLossThatTheCutModelHasMore) {
  Pictures pictures(model_, "");
  TokenSamples samples;
  show(pictures, samples);
  const Model dense = pictures.shown_to(model_, {}, folder_.path(), silent_progress());
  const auto scores =
      score_tower(dense, {}, samples, &pictures,
                  std::vector<std::string>{"mope-heads", "mope-neurons"}, {}, silent_progress());
  Validator validator(dense, samples, {});
  const auto loss = [&](const Model& model) {
    const std::vector<const Model*> one = {&model};
    return validator.validate(one)[0].nll;
  };
  for (const auto& [layer, head] : {std::pair(0, 1), std::pair(2, 3)}) {
    const Model cut = pictures.shown_to(apply(step({{layer, false, {head}, {head}, {}}}), dense),
                                        {}, folder_.path(), silent_progress());
    const double expected = loss(cut) - loss(dense);
    EXPECT_GT(std::abs(expected), 1e-6);
    EXPECT_NEAR(scores.at("mope-heads")[static_cast<size_t>(layer)][head].item<double>(), expected,
                0.02 * std::abs(expected) + 1e-6);
  }
  EXPECT_EQ(scores.at("mope-neurons")[0].numel(), 28);
}

// What enters out_proj and fc2, over all rows of all pictures.
TEST_F(Tower, StatisticsAreThoseOfThePictures) {
  Pictures pictures(model_, "");
  TokenSamples samples;
  show(pictures, samples);
  const auto scores =
      score_tower(model_, {}, samples, &pictures,
                  std::vector<std::string>{"wanda-sp-neurons", "amp-heads"}, {}, silent_progress());
  const at::NoGradGuard no_gradient;
  const ImageEncoder encoder(model_);
  at::Tensor squares_I = at::zeros({28}, at::kDouble), l1_H = at::zeros({4}, at::kDouble);
  const LayerWeights weights = encoder.tower().weights(0, {});
  TowerPass pass;
  pass.tap = [&](int64_t layer, Site site, const at::Tensor& value_NX) {
    if (layer != 0) return;
    if (site == Site::kNeuron) squares_I += value_NX.to(at::kDouble).square().mean(0);
    if (site != Site::kHeadOutput) return;
    for (int64_t head = 0; head < 4; ++head) {
      const at::Tensor sent_ND = at::matmul(value_NX.narrow(1, 4 * head, 4),
                                            weights[Role::kOutput].narrow(1, 4 * head, 4).t());
      l1_H[head] += sent_ND.abs().sum(1).mean().to(at::kDouble);
    }
  };
  for (int64_t i = 0; i < 3; ++i) {
    encoder.tower().features(encoder.tower().embed(encoder.pixels(pictures.picture(i)), {}), 1, {},
                             pass);
  }
  const at::Tensor expected_I =
      weights[Role::kDown].abs().sum(0).to(at::kDouble) * (squares_I / 3).sqrt() / 16;
  EXPECT_TRUE(at::allclose(scores.at("wanda-sp-neurons")[0], expected_I, 1e-4));
  EXPECT_TRUE(at::allclose(scores.at("amp-heads")[0], l1_H / 3, 1e-4));
}

TEST_F(Tower, CriteriaOfGradientsAndMomentsAreRefused) {
  for (const char* name : {"taylor-heads", "fisher-neurons", "obs-neurons"}) {
    EXPECT_THROW(tower_stats(find_criterion(name)), Error) << name;
  }
  EXPECT_TRUE(tower_reads_pictures(std::vector<std::string>{"mope-neurons"}));
  EXPECT_FALSE(tower_reads_pictures(std::vector<std::string>{"random-heads", "magnitude-neurons"}));
}

// Scores that rise with the index: the first units go.
class RisingScores final : public Measure {
 public:
  explicit RisingScores(const ModelConfig& tower) {
    for (const LayerShape& shape : tower.layers) {
      heads_.push_back(at::arange(shape.heads, at::kDouble));
      neurons_.push_back(at::arange(shape.mlp, at::kDouble));
    }
  }
  const std::vector<at::Tensor>& scores(const std::string&) override {
    throw internal_error("no unit of the language model is asked for");
  }
  const std::vector<at::Tensor>& tower_scores(const std::string& criterion) override {
    return criterion.ends_with("-heads") ? heads_ : neurons_;
  }

 private:
  std::vector<at::Tensor> heads_, neurons_;
};

TEST_F(Tower, TheBranchTakesWhatItCounts) {
  const Branch& branch = find_branch('V');
  const Options options("vision", {{"criterion", "magnitude"}}, branch.options);
  const BranchInput input{model_.config(), 2000, {}, options, {}};
  const ShapeStep counted = branch.count(input);
  RisingScores scores(tower_config(model_.config()));
  const PlanStep proposed = branch.propose(input, model_, scores);
  EXPECT_EQ(proposed.branch, "vision");
  EXPECT_TRUE(proposed.removals.empty());
  const Model cut = apply(proposed, model_);
  verify(cut, proposed.parameters);
  EXPECT_EQ(cut.tower()->config().layers, counted.tower);
  EXPECT_EQ(total_parameters(after_step(model_.config(), counted)), proposed.parameters);
  EXPECT_EQ(proposed.tower[0].heads[0], 0);
  // A second step of the same branch, and one that asks for more than there is.
  const BranchInput again{cut.config(), 500, {}, options, {}};
  EXPECT_LT(total_parameters(after_step(cut.config(), branch.count(again))), proposed.parameters);
  const BranchInput all{cut.config(), 1 << 20, {}, options, {}};
  EXPECT_THAT(refusal_of([&] { branch.count(all); }),
              HasSubstr("the step removes 1048576 parameters, but the vision tower can lose only"));
}

TEST_F(Tower, StepsOfTheTowerAreResolvedToARecipeThatSaysSo) {
  const Json given = {{"branches", {"vision"}},
                      {"select", "path:V"},
                      {"vision", {{"criterion", "magnitude"}}},
                      {"target", {{"iterations", 1}, {"of", "tower"}}}};
  const Json once = to_json(resolve(recipe_from_json(given), model_.config()));
  const Recipe again = resolve(recipe_from_json(once), model_.config());
  EXPECT_TRUE(again.target.of_tower);
  EXPECT_EQ(to_json(again), once);
}

TEST_F(Tower, ATargetOfTheTowerIsMetByTheTowerAlone) {
  const Json json = {{"vision", {{"criterion", "magnitude"}}}, {"target", {{"remove", 0.3}}}};
  const Recipe recipe = resolve(recipe_from_json(json), model_.config());
  EXPECT_THAT(recipe.branches, ElementsAre("vision"));
  EXPECT_TRUE(recipe.target.of_tower);
  const auto accounting = known_accounting(recipe, model_.config());
  ASSERT_TRUE(accounting);
  ASSERT_EQ(accounting->steps.size(), 1u);
  EXPECT_NEAR(accounting->tower_removed_fraction(accounting->steps[0]), 0.3, 0.02);
  EXPECT_EQ(accounting->steps[0].layers, model_.config().layers);
  const auto refusal = [&](Json target) {
    try {
      Json other = {{"branches", {"vision"}}, {"select", "path:V"}, {"target", std::move(target)}};
      const Recipe too_much = resolve(recipe_from_json(other), model_.config());
      if (!known_accounting(too_much, model_.config())) check_reach(too_much, model_.config());
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("nothing was refused");
  };
  EXPECT_THAT(refusal({{"remove", 0.3}, {"of", "blocks"}}), HasSubstr("--of tower"));
  EXPECT_THAT(refusal({{"remove", 0.99}, {"of", "tower"}}),
              HasSubstr("the vision tower can lose only"));
}

}  // namespace
}  // namespace mop::testing
