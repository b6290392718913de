// How many tokens go through a layer together rounds sums differently, and decides nothing: the
// shipped model loses the same units.
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
  InPieces(const Model& model, const TokenSamples& samples, int64_t tokens)
      : model_(model), samples_(samples), tokens_(tokens) {}

  const std::vector<at::Tensor>& scores(const std::string& criterion) override {
    if (scores_.contains(criterion)) return scores_[criterion];
    WeightLoader weights(model_, Compute());
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
    walk_half_layer_moments(model_, Compute(), samples_, folder_.path(), visit, silent_progress(),
                            {.piece_tokens = tokens_});
    return curves_;
  }

 private:
  const Model& model_;
  const TokenSamples& samples_;
  int64_t tokens_;
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

}  // namespace
}  // namespace mop::testing
