#include "gradient/training_pass.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "base/random.h"
#include "kit/random_model.h"
#include "recovery/methods.h"

namespace mop {
namespace {

using testing::RandomModel;
using testing::TempFolder;

TrainingPiece random_piece(const std::vector<int64_t>& lengths, int64_t vocab, uint64_t seed) {
  TrainingPiece piece;
  piece.packing.lengths = lengths;
  Random random(seed);
  std::vector<int64_t> ids, targets;
  std::vector<float> weights;
  for (const int64_t length : lengths) {
    for (int64_t t = 0; t < length; ++t) {
      ids.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(vocab))));
      targets.push_back(static_cast<int64_t>(random.below(static_cast<uint64_t>(vocab))));
      weights.push_back(t + 1 < length && t % 3 != 1 ? 0.1f : 0.f);
    }
  }
  piece.ids_N = at::tensor(ids, at::kLong);
  piece.targets_N = at::tensor(targets, at::kLong);
  piece.weights_N = at::tensor(weights);
  return piece;
}

// Factors that change something: B is zero at first.
void perturb(Parameters& parameters, double by) {
  Random random(5);
  float* values = parameters.values_P().data_ptr<float>();
  for (int64_t i = 0; i < parameters.numel(); ++i) {
    values[i] += static_cast<float>(by * (2 * random.uniform() - 1));
  }
  parameters.refresh();
}

// A model in a folder, its trained parameters, and a pass over it.
struct Trial {
  TempFolder folder;
  Model model;
  Compute compute;
  Parameters parameters;
  TrainingPass pass;

  Trial(const RandomModel& what, bool low_rank, PassOptions options = {}, Compute c = {})
      : model(open(folder, what)),
        compute(c),
        parameters(low_rank ? lora_parameters(model, LoraOptions{.rank = 3, .targets = {}}, 1)
                            : all_weights(model),
                   compute),
        pass(model, compute, parameters, with_scale(options)) {}
  static Model open(const TempFolder& folder, const RandomModel& what) {
    testing::write_random_model(folder.path(), what);
    return Model::open(folder.path());
  }
  static PassOptions with_scale(PassOptions options) {
    options.scale = 0.7;
    return options;
  }
};

// Central differences along random directions against the gradient.
void expect_gradient_is_the_slope(Trial& s, const TrainingPiece& piece, double tolerance,
                                  bool drops = false) {
  s.parameters.gradients_P().zero_();
  s.pass.add_gradients(piece, 3);
  const at::Tensor gradient_P = s.parameters.gradients_P().clone();
  const at::Tensor start_P = s.parameters.values_P().clone();
  Random random(11);
  for (int direction = 0; direction < 3; ++direction) {
    at::Tensor along_P = at::empty_like(start_P);
    float* values = along_P.data_ptr<float>();
    for (int64_t i = 0; i < along_P.numel(); ++i) {
      values[i] = random.uniform() < 0.5 ? -1.f : 1.f;
    }
    // Where the slope is largest, rounding matters least.
    along_P = along_P * gradient_P.abs();
    along_P.div_(along_P.norm());
    if (direction == 0) along_P = gradient_P / gradient_P.norm();
    const auto loss_at = [&](double step) {
      s.parameters.values_P().copy_(start_P + step * along_P);
      s.parameters.refresh();
      return drops ? s.pass.add_gradients(piece, 3).loss : s.pass.evaluate(piece).loss;
    };
    const double step = 1e-2;
    const double slope = (loss_at(step) - loss_at(-step)) / (2 * step);
    const double expected = (gradient_P * along_P).sum(at::kDouble).item<double>();
    EXPECT_NEAR(slope, expected, tolerance * gradient_P.norm().item<double>()) << direction;
  }
  s.parameters.values_P().copy_(start_P);
  s.parameters.refresh();
}

class EveryFamily : public ::testing::TestWithParam<std::string> {};
INSTANTIATE_TEST_SUITE_P(Families, EveryFamily,
                         ::testing::Values("llama", "mistral", "qwen2", "qwen3"));

TEST_P(EveryFamily, GradientOfAllWeightsIsTheSlopeOfTheLoss) {
  Trial s({.family = GetParam()}, /*low_rank=*/false);
  expect_gradient_is_the_slope(s, random_piece({9, 5, 7}, 96, 1), 0.01);
}

TEST_P(EveryFamily, GradientOfLowRankAdditionsIsTheSlopeOfTheLoss) {
  Trial s({.family = GetParam()}, /*low_rank=*/true);
  perturb(s.parameters, 0.2);
  expect_gradient_is_the_slope(s, random_piece({9, 5, 7}, 96, 1), 0.01);
}

// The same is dropped whenever the seed is the same: in the backward pass too.
TEST(TrainingPass, GradientUnderDropoutIsTheSlopeOfTheLoss) {
  for (const int64_t activation_bytes : {int64_t{1} << 30, int64_t{0}}) {
    Trial s({}, /*low_rank=*/true, {.dropout = 0.5, .activation_bytes = activation_bytes});
    perturb(s.parameters, 0.2);
    expect_gradient_is_the_slope(s, random_piece({9, 5, 7}, 96, 1), 0.01, /*drops=*/true);
  }
}

TEST(TrainingPass, ATiedEmbeddingGetsBothGradients) {
  Trial s({.tied = true}, /*low_rank=*/false);
  expect_gradient_is_the_slope(s, random_piece({9, 6}, 96, 2), 0.01);
}

TEST(TrainingPass, ComputingLayersAgainGivesTheSameGradient) {
  const TrainingPiece piece = random_piece({12, 8}, 96, 3);
  for (const bool low_rank : {true, false}) {
    PassOptions options;
    options.dropout = low_rank ? 0.3 : 0;
    Trial kept({}, low_rank, options);
    options.activation_bytes = 0;
    Trial again({}, low_rank, options);
    ASSERT_EQ(kept.pass.layers_kept(20), 4);
    ASSERT_EQ(again.pass.layers_kept(20), 0);
    EXPECT_EQ(kept.pass.best_piece_tokens(8, 64), 64);
    EXPECT_EQ(again.pass.best_piece_tokens(8, 64), 64);
    for (Trial* s : {&kept, &again}) {
      if (low_rank) perturb(s->parameters, 0.2);
      s->pass.add_gradients(piece, 9);
    }
    const at::Tensor a_P = kept.parameters.gradients_P(), b_P = again.parameters.gradients_P();
    EXPECT_LT((a_P - b_P).norm().item<double>(), 1e-5 * a_P.norm().item<double>());
  }
}

TEST(TrainingPass, PackedSamplesGiveTheSumOfTheSinglesLossesAndGradients) {
  Trial s({}, /*low_rank=*/false);
  const TrainingPiece packed = random_piece({9, 4, 7}, 96, 4);
  const LossSums together = s.pass.add_gradients(packed, 0);
  const at::Tensor expected_P = s.parameters.gradients_P().clone();
  s.parameters.gradients_P().zero_();
  LossSums apart;
  int64_t begin = 0;
  for (const int64_t length : packed.packing.lengths) {
    TrainingPiece one;
    one.packing.lengths = {length};
    one.ids_N = packed.ids_N.narrow(0, begin, length);
    one.targets_N = packed.targets_N.narrow(0, begin, length);
    one.weights_N = packed.weights_N.narrow(0, begin, length);
    apart += s.pass.add_gradients(one, 0);
    begin += length;
  }
  EXPECT_NEAR(together.loss, apart.loss, 1e-5 * std::abs(apart.loss));
  EXPECT_EQ(together.scored, apart.scored);
  const double off = (s.parameters.gradients_P() - expected_P).norm().item<double>();
  EXPECT_LT(off, 1e-5 * expected_P.norm().item<double>());
}

TEST(TrainingPass, Bfloat16GradientsPointTheSameWay) {
  const TrainingPiece piece = random_piece({30, 20}, 96, 5);
  Trial exact({}, /*low_rank=*/true);
  Trial rough({}, /*low_rank=*/true, {}, {at::kBFloat16, at::kCPU});
  for (Trial* s : {&exact, &rough}) {
    perturb(s->parameters, 0.2);
    s->pass.add_gradients(piece, 0);
  }
  const at::Tensor a_P = exact.parameters.gradients_P(), b_P = rough.parameters.gradients_P();
  const double cosine = (a_P * b_P).sum().item<double>() / (a_P.norm() * b_P.norm()).item<double>();
  EXPECT_GT(cosine, 0.995);
}

TEST(TrainingPass, ATeacherEqualToTheStudentTeachesNothing) {
  Trial s({}, /*low_rank=*/false);
  TrainingPass pass(s.model, s.compute, s.parameters, {}, Teacher{s.model, {}, 0.5, {0, 1, 2, 3}});
  const LossSums sums = pass.add_gradients(random_piece({9, 6}, 96, 6), 0);
  EXPECT_NEAR(sums.loss, 0, 1e-6);
  EXPECT_LT(s.parameters.gradients_P().norm().item<double>(), 1e-4);
}

TEST(TrainingPass, DistillingGoesDownhill) {
  Trial student({.seed = 2}, /*low_rank=*/false);
  TempFolder folder;
  testing::write_random_model(folder.path(), {.seed = 3});
  const Model teacher = Model::open(folder.path());
  TrainingPass pass(student.model, student.compute, student.parameters, {},
                    Teacher{teacher, {.cross_entropy = 0.2, .temperature = 2}, 0.1, {0, 1, 2, 3}});
  const TrainingPiece piece = random_piece({9, 6}, 96, 6);
  const double before = pass.add_gradients(piece, 0).loss;
  const at::Tensor gradient_P = student.parameters.gradients_P().clone();
  const double slope = gradient_P.square().sum().item<double>();
  const double step = 1e-3 / std::sqrt(slope);
  student.parameters.values_P().sub_(gradient_P * step);
  student.parameters.refresh();
  const double fell = before - pass.add_gradients(piece, 0).loss;
  EXPECT_NEAR(fell, step * slope, 0.05 * step * slope);
}

TEST(Dropped, IsDrawnBySeedAndNotWhereNothingIsTrained) {
  Trial s({}, /*low_rank=*/true, {.dropout = 0.5});
  perturb(s.parameters, 0.2);
  const TrainingPiece piece = random_piece({12}, 96, 7);
  const double a = s.pass.add_gradients(piece, 1).loss, b = s.pass.add_gradients(piece, 2).loss;
  const double again = s.pass.add_gradients(piece, 1).loss;
  EXPECT_NE(a, b);
  EXPECT_EQ(a, again);
  EXPECT_NE(a, s.pass.evaluate(piece).loss);  // nothing is dropped there
}

TEST(Dropped, ATokenLosesTheSameInAnyPiece) {
  Trial s({}, /*low_rank=*/true, {.dropout = 0.5});
  perturb(s.parameters, 0.2);
  TrainingPiece both = random_piece({9, 5}, 96, 7);
  both.keys_N = at::arange(14, at::TensorOptions(at::kLong)) * 1000;
  const double together = s.pass.add_gradients(both, 1).loss;
  const at::Tensor expected_P = s.parameters.gradients_P().clone();
  s.parameters.gradients_P().zero_();
  double apart = 0;
  for (const auto& [begin, length] : {std::pair(9, 5), std::pair(0, 9)}) {
    TrainingPiece one;
    one.packing.lengths = {length};
    one.ids_N = both.ids_N.narrow(0, begin, length);
    one.targets_N = both.targets_N.narrow(0, begin, length);
    one.weights_N = both.weights_N.narrow(0, begin, length);
    one.keys_N = both.keys_N.narrow(0, begin, length);
    apart += s.pass.add_gradients(one, 1).loss;
  }
  EXPECT_NEAR(apart, together, 1e-6 * together);
  const double off = (s.parameters.gradients_P() - expected_P).norm().item<double>();
  EXPECT_LT(off, 1e-5 * expected_P.norm().item<double>());
}

TEST(LowRankParameters, AreAsManyAsWereCounted) {
  Trial s({.family = "qwen3"}, /*low_rank=*/true);
  const LoraOptions some{.rank = 5, .targets = {"q_proj", "down_proj"}};
  EXPECT_EQ(lora_numbers(s.model.config(), {.rank = 3, .targets = {}}), s.parameters.numel());
  EXPECT_EQ(lora_numbers(s.model.config(), some),
            Parameters(lora_parameters(s.model, some, 1), s.compute).numel());
}

TEST(Merged, ComputesWhatTheAdditionsDid) {
  Trial s({}, /*low_rank=*/true);
  perturb(s.parameters, 0.2);
  const Model model = merged(s.model, s.parameters, {.rank = 10, .alpha = 7, .targets = {}},
                             s.folder.path());  // scale 0.7
  const TrainingPiece piece = random_piece({12, 5}, 96, 8);
  Parameters none(lora_parameters(model, {.rank = 1, .targets = {}}, 1), s.compute);  // B is zero
  TrainingPass pass(model, s.compute, none, {});
  EXPECT_NEAR(pass.evaluate(piece).nll, s.pass.evaluate(piece).nll, 1e-3);
}

}  // namespace
}  // namespace mop
