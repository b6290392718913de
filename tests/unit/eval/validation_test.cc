// Candidates of a random model of four layers, judged together and apart.
#include "eval/validation.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "eval/perplexity.h"
#include "kit/random_model.h"
#include "model/family.h"

namespace mop {
namespace {

using ::testing::HasSubstr;

TokenSamples some_samples() {
  TokenSamples samples;
  samples.ids = {
      {1, 5, 9, 13, 60, 61, 3}, {1, 90, 17, 4}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, {1, 44}, {7}};
  return samples;
}

class ValidatorTest : public ::testing::Test {
 protected:
  Model without_layer(int64_t layer) const {
    std::vector<Layer> layers = dense_.layers();
    layers.erase(layers.begin() + layer);
    return dense_.with_layers(layers);
  }
  Model narrower(int64_t layer) const {
    std::vector<Layer> layers = dense_.layers();
    layers[layer].neurons.resize(20);
    return dense_.with_layers(layers);
  }
  Validator validator(ValidatorOptions options = {}) const {
    return Validator(dense_, some_samples(), compute_, options);
  }
  double separate_nll(const Model& model) const {
    auto sequences = some_samples().ids;
    sequences.pop_back();  // one token: nothing to predict
    WeightLoader loader(model, compute_);
    const ScoredSequences sums = score_sequences(loader, sequences);
    return sums.nll_sum / static_cast<double>(sums.scored_tokens);
  }

  testing::TempFolder folder_;
  const Compute compute_ = {};
  const Model dense_ = (testing::write_random_model(folder_.path()), Model::open(folder_.path()));
  const Model short_ = without_layer(2), narrow_ = narrower(3);
};

void expect_same(const Validation& a, const Validation& b) {
  EXPECT_NEAR(a.nll, b.nll, 1e-6);
  EXPECT_NEAR(a.kl, b.kl, 1e-6);
  EXPECT_NEAR(a.cosine, b.cosine, 1e-6);
}

TEST_F(ValidatorTest, FindsTheDenseModelEqualToItself) {
  const Model* candidates[] = {&dense_};
  const auto result = validator().validate(candidates);
  EXPECT_EQ(result[0].kl, 0.);
  EXPECT_NEAR(result[0].cosine, 1., 1e-6);
  EXPECT_NEAR(result[0].nll, separate_nll(dense_), 1e-6);
}

TEST_F(ValidatorTest, GivesEachCandidateTheNllItHasAlone) {
  const Model* candidates[] = {&short_, &narrow_};
  const auto result = validator().validate(candidates);
  EXPECT_NEAR(result[0].nll, separate_nll(short_), 1e-6);
  EXPECT_NEAR(result[1].nll, separate_nll(narrow_), 1e-6);
  EXPECT_GT(result[0].kl, 1e-6);
  EXPECT_LT(result[1].cosine, 1. - 1e-6);
}

// Zeros in what writes and reads the channels stand for their removal.
TEST_F(ValidatorTest, JudgesAModelWithoutHiddenChannelsAsOneWithZerosThere) {
  const std::vector<int64_t> gone = {3, 8, 9, 20};
  IndexList kept = all_indices(32);
  std::erase_if(kept, [&](int32_t i) { return std::ranges::count(gone, int64_t{i}) > 0; });
  const Model sliced = dense_.with_channels(kept);
  std::vector<Layer> layers = dense_.layers();
  for (int64_t i = 0; i < dense_.num_layers(); ++i) {
    for (const Role role : {Role::kOutput, Role::kDown}) {
      const LayerTensor& tensor =
          *tensor_of_role(dense_.config(), dense_.config().layers[static_cast<size_t>(i)], role);
      layers[static_cast<size_t>(i)].changed[role] =
          stored_tensor(dense_, i, tensor).index_fill(0, at::tensor(gone), 0);
    }
  }
  const GlobalTensor& embedding = *global_tensors(dense_.config()).front();
  const Model masked = dense_.with_layers(layers).with_global(
      GlobalRole::kEmbedding, stored_global(dense_, embedding).index_fill(1, at::tensor(gone), 0));
  const Model* candidates[] = {&sliced, &masked, &short_};
  const auto result = validator().validate(candidates);
  expect_same(result[0], result[1]);
  EXPECT_GT(result[0].kl, 1e-6);
  EXPECT_LT(result[0].cosine, 1. - 1e-6);
  EXPECT_NEAR(result[2].nll, separate_nll(short_), 1e-6);
}

TEST_F(ValidatorTest, JudgesTogetherAsApart) {
  const Model* both[] = {&short_, &narrow_};
  const Model *first[] = {&short_}, *second[] = {&narrow_};
  const auto together = validator().validate(both);
  expect_same(together[0], validator().validate(first)[0]);
  expect_same(together[1], validator().validate(second)[0]);
}

TEST_F(ValidatorTest, RunsSharedLayersOnce) {
  const Model* candidates[] = {&short_, &narrow_};
  Validator subject = validator();
  subject.validate(candidates);
  // 0 and 1 for all three; 2 for dense and narrow; a last layer for each of the three.
  EXPECT_EQ(subject.layers_run(), 2 + 1 + 3);
  subject.validate(candidates);
  // The dense reference is kept: 0 and 1 for both, 3 for short, 2 and 3 for narrow.
  EXPECT_EQ(subject.layers_run(), 6 + 2 + 1 + 2);
}

TEST_F(ValidatorTest, RunsEqualCandidatesOnce) {
  const Model* candidates[] = {&dense_, &dense_, &dense_};
  Validator subject = validator();
  const auto result = subject.validate(candidates);
  EXPECT_EQ(subject.layers_run(), 4);
  expect_same(result[0], result[2]);
}

TEST_F(ValidatorTest, HandlesACandidateThatIsAPrefixOfAnother) {
  const Model prefix = without_layer(3);
  const Model* candidates[] = {&prefix, &dense_};
  Validator subject = validator();
  const auto result = subject.validate(candidates);
  EXPECT_EQ(subject.layers_run(), 4);
  EXPECT_NEAR(result[0].nll, separate_nll(prefix), 1e-6);
  EXPECT_EQ(result[1].kl, 0.);
}

TEST_F(ValidatorTest, DoesNotDependOnGroupsNorOnKeepingTheReference) {
  const Model* candidates[] = {&short_, &narrow_};
  const auto whole = validator().validate(candidates);
  Validator piecewise = validator({.reference_bytes = 0, .group_tokens = 8});
  for (int round = 0; round < 2; ++round) {
    const auto result = piecewise.validate(candidates);
    expect_same(result[0], whole[0]);
    expect_same(result[1], whole[1]);
  }
}

TEST_F(ValidatorTest, SeesAChangedHead) {
  const Model other = dense_.with_global(GlobalRole::kHead, at::zeros({96, 32}));
  const Model* candidates[] = {&other};
  EXPECT_NEAR(validator().validate(candidates)[0].nll, std::log(96.), 1e-6);
}

TEST_F(ValidatorTest, RefusesLogitsThatAreNotFinite) {
  const Model broken = dense_.with_global(GlobalRole::kHead, at::full({96, 32}, NAN));
  const Model* candidates[] = {&broken};
  try {
    validator().validate(candidates);
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kBadInput);
    EXPECT_THAT(error.what(), HasSubstr("logits at token 0 are not finite"));
  }
}

TEST_F(ValidatorTest, RefusesSamplesWithNothingToPredict) {
  TokenSamples single;
  single.ids = {{4}};
  EXPECT_THROW(Validator(dense_, single, compute_), Error);
}

}  // namespace
}  // namespace mop
