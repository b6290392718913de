// tests/unit/stats/gradients_test.cc -- statistics of squares, of layers and of gates, against sums
// over activations that a plain pass shows, and against differences of the loss.
#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include <map>

#include "base/random.h"
#include "kit/random_model.h"
#include "kit/ranks.h"
#include "model/forward.h"
#include "stats/backward_walk.h"
#include "stats/layer_stats.h"
#include "stats/rank_stats.h"
#include "stats/squares.h"
#include "unit/stats/random_prompts.h"

namespace mop::testing {
namespace {

std::vector<Stat> all_stats() {
  std::vector<Stat> stats;
  for (const StatRow& row : all_statistics()) stats.push_back(row.stat);
  return stats;
}

class Statistics : public ::testing::Test {
 protected:
  // 4 layers, hidden 32, 4 heads of 8 over 2 KV heads, 48 neurons.
  Statistics() {
    write_random_model(folder_.path());
    model_ = Model::open(folder_.path());
  }

  std::vector<LayerStats> collect(const TokenSamples& samples, int64_t chunk = 0) {
    WeightLoader weights(model_, {});
    return collect_stats(weights, samples, all_stats(), silent_progress(), chunk, folder_.path());
  }

  // What every site of every layer shows of one prompt, float64.
  std::map<std::pair<int64_t, Site>, at::Tensor> activations(const std::vector<int64_t>& ids) {
    std::map<std::pair<int64_t, Site>, at::Tensor> seen;
    WeightLoader weights(model_, {});
    ForwardOptions options;
    options.tap = [&](int64_t layer, int64_t, const Packing&) -> Tap {
      return [&seen, layer](Site site, const at::Tensor& value) {
        seen[{layer, site}] = value.to(at::kDouble, false, /*copy=*/true);
      };
    };
    run_layers(weights, at::tensor(ids, at::kLong), {{std::ssize(ids)}}, options);
    return seen;
  }

  // A prompt's summed cross-entropy with gates on the units of one layer.
  double loss(const std::vector<int64_t>& ids, int64_t layer, const LayerMask& mask) {
    WeightLoader weights(model_, {});
    ForwardOptions options;
    options.mask = [&](int64_t i) { return i == layer ? &mask : nullptr; };
    const at::Tensor ids_N = at::tensor(ids, at::kLong);
    const at::Tensor hidden_ND = run_layers(weights, ids_N, {{std::ssize(ids)}}, options);
    const at::Tensor log_NV =
        at::log_softmax(logits(weights.globals(), model_.config(), hidden_ND).to(at::kDouble), 1);
    const int64_t predicted = ids_N.size(0) - 1;
    return -log_NV.narrow(0, 0, predicted)
                .gather(1, ids_N.narrow(0, 1, predicted).unsqueeze(1))
                .sum()
                .item<double>();
  }

  TempFolder folder_;
  Model model_;
};

double error(const at::Tensor& got, const at::Tensor& expected) {
  return ((got - expected).abs().max() / expected.abs().max()).item<double>();
}

TEST_F(Statistics, OfTokensAreMeansOverAllTokens) {
  const TokenSamples samples = random_prompts({5, 1, 17});
  const auto stats = collect(samples);
  for (int64_t layer = 0; layer < 4; ++layer) {
    std::map<Site, std::vector<at::Tensor>> of;
    for (const auto& ids : samples.ids) {
      for (const auto& [where, value] : activations(ids)) {
        if (where.first == layer) of[where.second].push_back(value);
      }
    }
    const LayerStats& got = stats[static_cast<size_t>(layer)];
    const at::Tensor heads_NQ = at::cat(of[Site::kHeadOutput]);
    const at::Tensor neurons_NI = at::cat(of[Site::kNeuron]);
    EXPECT_LT(error(got.mean(Stat::kHeadChannelMean, 32), heads_NQ.mean(0)), 1e-5);
    EXPECT_LT(error(got.mean(Stat::kHeadChannelSquare, 32), heads_NQ.square().mean(0)), 1e-5);
    EXPECT_LT(error(got.mean(Stat::kNeuronMean, 48), neurons_NI.mean(0)), 1e-5);
    EXPECT_LT(error(got.mean(Stat::kNeuronSquare, 48), neurons_NI.square().mean(0)), 1e-5);
    EXPECT_EQ(got.count(Stat::kNeuronSquare), 23);

    WeightLoader weights(model_, {});
    const at::Tensor output_DQ = weights.layer(layer)[Role::kOutput].to(at::kDouble);
    std::vector<at::Tensor> groups;
    for (int64_t g = 0; g < 2; ++g) {
      groups.push_back(heads_NQ.narrow(1, g * 16, 16)
                           .mm(output_DQ.narrow(1, g * 16, 16).t())
                           .square()
                           .sum(1)
                           .mean());
    }
    EXPECT_LT(error(got.mean(Stat::kGroupOutputSquare, 2), at::stack(groups)), 1e-5);

    const at::Tensor in_ND = at::cat(of[Site::kLayerInput]);
    const at::Tensor out_ND = at::cat(of[Site::kLayerOutput]);
    const at::Tensor cos_N = (in_ND * out_ND).sum(1) / (in_ND.norm(2, 1) * out_ND.norm(2, 1));
    EXPECT_NEAR(got.mean(Stat::kLayerDistance, 1).item<double>(), (1 - cos_N).mean().item<double>(),
                1e-6);
    EXPECT_NEAR(got.mean(Stat::kLayerAngle, 1).item<double>(),
                cos_N.acos().mean().item<double>() / M_PI, 1e-6);
  }
}

TEST_F(Statistics, OfResponsesAreMeansOverPromptsOfSquaredMeans) {
  const TokenSamples samples = random_prompts({5, 1, 17, 5});
  const auto stats = collect(samples);
  at::Tensor sum_I = at::zeros({48}, at::kDouble);
  for (const auto& ids : samples.ids) {
    sum_I += activations(ids).at({2, Site::kNeuron}).abs().mean(0).square();
  }
  EXPECT_LT(error(stats[2].mean(Stat::kNeuronResponse, 48), sum_I / 4), 1e-5);
  EXPECT_EQ(stats[2].count(Stat::kNeuronResponse), 4);
}

TEST_F(Statistics, ByAMaskAreTheSlopesOfTheLossWhereverItsGatesStand) {
  // Layer 1 has gates of every kind, closed ones too; the others have none.
  const TokenSamples samples = random_prompts({9, 7});
  LayerMask mask;
  mask.heads_H = at::tensor({1.f, 0.5f, 0.f, 0.8f});
  mask.neurons_I = at::linspace(0, 1, 48, at::kFloat);
  at::Tensor heads_H = at::zeros({4}, at::kDouble), neurons_I = at::zeros({48}, at::kDouble);
  BackwardVisitor visitor;
  visitor.mask = [&](int64_t layer) { return layer == 1 ? &mask : nullptr; };
  visitor.visit = [&](const BackwardPiece& piece) {
    EXPECT_EQ(piece.mask_gradient.heads_H.defined(), piece.layer == 1);
    if (piece.layer != 1) return;
    heads_H += piece.mask_gradient.heads_H.to(at::kDouble);
    neurons_I += piece.mask_gradient.neurons_I.to(at::kDouble);
  };
  walk_backward(model_, {}, samples, folder_.path(), visitor, silent_progress());
  constexpr double kStep = 1.0 / 64;
  const auto slope = [&](at::Tensor LayerMask::*part, int64_t unit) {
    double sum = 0;
    for (const double sign : {1.0, -1.0}) {
      LayerMask moved = mask;
      moved.*part = (mask.*part).clone();
      (moved.*part)[unit] += sign * kStep;
      for (const auto& ids : samples.ids) sum += sign * loss(ids, 1, moved);
    }
    return sum / (2 * kStep);
  };
  for (const int64_t unit : {0, 2, 3}) {
    EXPECT_NEAR(heads_H[unit].item<double>(), slope(&LayerMask::heads_H, unit), 4e-3) << unit;
  }
  for (const int64_t unit : {0, 20, 47}) {
    EXPECT_NEAR(neurons_I[unit].item<double>(), slope(&LayerMask::neurons_I, unit), 4e-3) << unit;
  }
  EXPECT_GT(heads_H.abs().max().item<double>(), 2e-2);
}

TEST_F(Statistics, OfGatesAreTheSlopesOfEachPromptsLoss) {
  const TokenSamples samples = random_prompts({6, 1, 9});
  const auto stats = collect(samples);
  constexpr double kStep = 1.0 / 64, kGroups = 4e-3;  // the loss bends as a gate moves
  for (const int64_t layer : {0, 2}) {
    at::Tensor sums = at::zeros({4}, at::kDouble);  // group 1, neuron 7: sum, sum of squares
    for (const auto& ids : samples.ids) {
      const auto slope = [&](bool neuron) {
        LayerMask up, down;
        up.heads_H = at::ones({4}), down.heads_H = at::ones({4});
        up.neurons_I = at::ones({48}), down.neurons_I = at::ones({48});
        if (neuron) {
          up.neurons_I[7] += kStep, down.neurons_I[7] -= kStep;
        } else {
          up.heads_H.narrow(0, 2, 2) += kStep, down.heads_H.narrow(0, 2, 2) -= kStep;
        }
        return (loss(ids, layer, up) - loss(ids, layer, down)) / (2 * kStep);
      };
      const double group = slope(false), neuron = slope(true);
      sums += at::tensor({group, group * group, neuron, neuron * neuron}, at::kDouble);
    }
    const LayerStats& got = stats[static_cast<size_t>(layer)];
    const auto value = [&](Stat stat, int64_t units, int64_t unit) {
      return got.mean(stat, units)[unit].item<double>() * 3;
    };
    EXPECT_NEAR(value(Stat::kGroupGate, 2, 1), sums[0].item<double>(), kGroups);
    EXPECT_NEAR(value(Stat::kGroupGateSquare, 2, 1), sums[1].item<double>(), kGroups);
    EXPECT_NEAR(value(Stat::kNeuronGate, 48, 7), sums[2].item<double>(), 2e-4);
    EXPECT_NEAR(value(Stat::kNeuronGateSquare, 48, 7), sums[3].item<double>(), 2e-4);
    EXPECT_GT(std::abs(sums[0].item<double>()), 1e-2);
    EXPECT_EQ(got.count(Stat::kGroupGate), 3);
  }
}

TEST_F(Statistics, DoNotDependOnThePieces) {
  const TokenSamples samples = random_prompts({5, 1, 17, 9, 30, 2});
  const auto whole = collect(samples), pieces = collect(samples, 12);
  for (size_t i = 0; i < whole.size(); ++i) {
    for (const Stat stat : all_stats()) {
      const int64_t units = whole[i].sums().at(stat).numel();
      EXPECT_LT(error(pieces[i].mean(stat, units), whole[i].mean(stat, units)), 1e-4)
          << stat_row(stat).name;
      EXPECT_EQ(pieces[i].count(stat), whole[i].count(stat));
    }
  }
}

TEST_F(Statistics, MergeOverRanks) {
  const TokenSamples samples = random_prompts({5, 1, 17, 9, 2});
  const auto alone = collect(samples);
  std::vector<std::vector<LayerStats>> shared(2);
  const auto errors = as_ranks(2, [&](std::shared_ptr<Collectives> ranks) {
    WeightLoader weights(model_, {});
    shared[static_cast<size_t>(ranks->rank())] =
        collect_stats(weights, samples, all_stats(), *ranks, silent_progress(), folder_.path());
  });
  EXPECT_THAT(errors, ::testing::Each(""));
  for (const auto& of_rank : shared) {
    ASSERT_EQ(of_rank.size(), alone.size());
    for (size_t i = 0; i < alone.size(); ++i) {
      for (const Stat stat : all_stats()) {
        const int64_t units = alone[i].sums().at(stat).numel();
        EXPECT_LT(error(of_rank[i].mean(stat, units), alone[i].mean(stat, units)), 1e-4)
            << stat_row(stat).name;
        EXPECT_EQ(of_rank[i].count(stat), alone[i].count(stat));
      }
    }
  }
}

TEST_F(Statistics, AreReadAsTheyWereWritten) {
  const auto stats = collect(random_prompts({5, 9}));
  write_stats(folder_.path() / "stats.safetensors", stats);
  const auto read = read_stats(folder_.path() / "stats.safetensors");
  ASSERT_EQ(read.size(), stats.size());
  for (const Stat stat : all_stats()) {
    EXPECT_EQ(read[1].count(stat), stats[1].count(stat));
    const int64_t units = stats[1].sums().at(stat).numel();
    EXPECT_LT(error(read[1].mean(stat, units), stats[1].mean(stat, units)), 1e-12);
  }
}

TEST(Squares, OfAConstantLeaveNoVariance) {
  const at::Tensor value_NX = at::full({3000, 2}, 1234.567f);
  value_NX.select(1, 1).narrow(0, 0, 1500) += 1;
  const at::Tensor sums_X = at::zeros({2}, at::kDouble);
  add_exact_squares(value_NX, sums_X);
  const at::Tensor mean_X = value_NX.sum(0, false, at::kDouble) / 3000;
  const at::Tensor variance_X = sums_X / 3000 - mean_X.square();
  EXPECT_NEAR(variance_X[0].item<double>(), 0, 1e-7);
  EXPECT_NEAR(variance_X[1].item<double>(), 0.25, 1e-3);
}

TEST(Squares, RowsOfZerosHaveNoDirection) {
  const at::Tensor a = at::tensor({1.f, 0.f, 0.f, 0.f, 3.f, 4.f}).view({3, 2});
  const at::Tensor b = at::tensor({2.f, 0.f, 1.f, 1.f, -3.f, -4.f}).view({3, 2});
  EXPECT_TRUE(at::allclose(row_cosines(a, b), at::tensor({1., 0., -1.}, at::kDouble)));
}

}  // namespace
}  // namespace mop::testing
