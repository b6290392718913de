// How many tokens go through a layer together rounds sums differently, and decides nothing: the
// shipped model loses the same units.
#include <ATen/ops/isin.h>
#include <gtest/gtest.h>

#include "checkpoint/safetensors.h"
#include "criteria/criterion.h"
#include "kit/random_model.h"
#include "model/family.h"
#include "plan/branch.h"
#include "plan/plan.h"
#include "solve/elimination.h"
#include "stats/half_layer_moments.h"
#include "text/samples.h"
#include "text/tokenizer.h"

namespace mop::testing {
namespace {

TokenSamples calibration(const Model& model) {
  SampleOptions options;
  options.samples = 8;
  options.max_tokens = 48;
  return tokenize_samples(read_samples(demo_calibration()), *open_tokenizer(demo_model()), options,
                          model.config().context);
}

at::Tensor projection(const Model& model, int64_t layer, Role role) {
  const ModelConfig& config = model.config();
  for (const LayerTensor* tensor :
       tensors_of_layer(config, config.layers.at(static_cast<size_t>(layer)))) {
    if (tensor->role == role) return stored_tensor(model, layer, *tensor);
  }
  return {};
}

// Scores and curves of which pieces of so many tokens were run together.
class InPieces : public Measure {
 public:
  InPieces(const Model& model, const TokenSamples& samples, int64_t tokens,
           DType dtype = at::kFloat)
      : model_(model), samples_(samples), tokens_(tokens), compute_{dtype} {}

  const std::vector<at::Tensor>& scores(const std::string& criterion) override {
    if (scores_.contains(criterion)) return scores_[criterion];
    WeightLoader weights(model_, compute_);
    const std::vector<std::string> names = {criterion};
    const auto stats =
        collect_stats(weights, samples_, needed_stats(names), silent_progress(), tokens_);
    return scores_[criterion] = score_layers(weights, stats, names, Options())[0];
  }

  const std::vector<LayerCurves>& curves(const CurveSettings&) override {
    if (!curves_.empty()) return curves_;
    curves_.resize(model_.layers().size());
    const auto visit = [&](const HalfLayerMoments& moments) {
      const bool mlp = moments.half == Half::kMlp;
      const LayerShape& shape = model_.config().layers[static_cast<size_t>(moments.layer)];
      LayerCurves& layer = curves_[static_cast<size_t>(moments.layer)];
      (mlp ? layer.neurons : layer.kv_groups) = eliminate(
          {.gram_KK = moments.gram_KK,
           .weights_DK = projection(model_, moments.layer, mlp ? Role::kDown : Role::kOutput),
           .sensitivity_DD = moments.gradients_DD,
           .unit = mlp ? 1 : shape.group() * shape.head_dim});
    };
    walk_half_layer_moments(model_, compute_, samples_, folder_.path(), visit, silent_progress(),
                            {.piece_tokens = tokens_});
    return curves_;
  }

 private:
  const Model& model_;
  const TokenSamples& samples_;
  int64_t tokens_;
  Compute compute_;
  TempFolder folder_;
  std::map<std::string, std::vector<at::Tensor>> scores_;
  std::vector<LayerCurves> curves_;
};

TEST(Pieces, OfAnySizeTakeTheSameUnits) {
  const Model model = Model::open(demo_model());
  const TokenSamples samples = calibration(model);
  const Options options;
  const auto steps = [&](int64_t tokens) {
    InPieces measure(model, samples, tokens);
    Json all = Json::object();
    for (const std::string branch : {"width", "damage", "damage-uniform"}) {
      for (const int64_t layers_worth : {1, 3}) {
        const BranchInput input{
            model.config(), layers_worth * layer_worth(model.config()), {}, options, {}, {}};
        all[fmt::format("{} {}", branch, layers_worth)] =
            to_json(find_branch(branch).propose(input, model, measure));
      }
    }
    return all;
  };
  const Json whole = steps(0);
  for (const int64_t tokens : {1, 100}) EXPECT_EQ(steps(tokens), whole) << "pieces of " << tokens;
}

// How many of the lowest quarter of `a` are not in that of `b`.
int64_t changed_units(const at::Tensor& a, const at::Tensor& b) {
  const int64_t quarter = a.size(0) / 4;
  const at::Tensor left = a.argsort().slice(0, 0, quarter),
                   right = b.argsort().slice(0, 0, quarter);
  return quarter - at::isin(left, right).sum().item<int64_t>();
}

double relative_error(const at::Tensor& a, const at::Tensor& b) {
  return ((a - b).norm() / b.norm()).item<double>();
}

// Values of eight bits round differently where sums begin elsewhere, and otherwise than those of
// 24: units of nearly the same score may change places.
TEST(Pieces, InBfloat16ScoresAgreeAndTheUnitsThatChangeAreCounted) {
  const Model model = Model::open(demo_model());
  const TokenSamples samples = calibration(model);
  InPieces precise(model, samples, 0), whole(model, samples, 0, at::kBFloat16),
      pieces(model, samples, 1, at::kBFloat16);
  for (const std::string criterion : {"amp-heads", "amp-neurons", "wanda-sp-neurons"}) {
    int64_t by_pieces = 0, by_dtype = 0;
    for (size_t layer = 0; layer < model.layers().size(); ++layer) {
      const at::Tensor &a = pieces.scores(criterion)[layer], &b = whole.scores(criterion)[layer],
                       &c = precise.scores(criterion)[layer];
      EXPECT_LT(relative_error(a, b), 1e-2) << criterion << layer;
      EXPECT_LT(relative_error(b, c), 1e-2) << criterion << layer;
      by_pieces += changed_units(a, b);
      by_dtype += changed_units(b, c);
    }
    RecordProperty(criterion + " changed by pieces", static_cast<int>(by_pieces));
    RecordProperty(criterion + " changed by bfloat16", static_cast<int>(by_dtype));
    fmt::print("{}: of the lowest quarters {} units change by pieces, {} by bfloat16\n", criterion,
               by_pieces, by_dtype);
  }
}

}  // namespace
}  // namespace mop::testing
