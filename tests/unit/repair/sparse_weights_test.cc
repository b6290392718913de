// tests/unit/repair/sparse_weights_test.cc -- zeros in every projection, layer by layer, against
// the same by hand.
#include "repair/sparse_weights.h"

#include "kit/refusal.h"
#include "repair_fixture.h"
#include "solve/sparse.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

class SparseWeights : public RepairTest {
 protected:
  Model sparse(const SparseOptions& options) {
    return sparsify(dense_, samples_, compute_, options, folder_.path(), silent_progress());
  }
  SparseOptions by(const std::string& method) {
    SparseOptions options;
    options.method = method;
    return options;
  }
  at::Tensor value(const Model& model, int64_t layer, Role role) {
    const ModelConfig& config = model.config();
    return stored_tensor(model, layer,
                         *tensor_of_role(config, config.layers[static_cast<size_t>(layer)], role));
  }
  // What enters a projection of `layer` in a model, over all tokens.
  at::Tensor inputs(const Model& model, int64_t layer, Site wanted) {
    std::vector<at::Tensor> pieces;
    ForwardOptions options;
    options.tap = [&](int64_t at, int64_t, const Packing&) -> Tap {
      if (at != layer) return {};
      return [&](Site site, const at::Tensor& seen) {
        if (site == wanted) pieces.push_back(seen.to(at::kDouble).clone());
      };
    };
    run_samples(model, options);
    return at::cat(pieces);
  }
};

TEST_F(SparseWeights, WandaIsTheLowestOfEachRowBehindTheSparseLayers) {
  const Model found = sparse(by("wanda"));
  // The inputs of layer 1's up_proj: layer 0 is sparse, layer 1 is not.
  std::vector<Layer> layers = dense_.layers();
  layers[0] = found.layers()[0];
  const at::Tensor norms_K =
      inputs(dense_.with_layers(layers), 1, Site::kMlpInput).square().mean(0).sqrt();
  const at::Tensor dense_OK = value(dense_, 1, Role::kUp).to(at::kDouble);
  const at::Tensor wanted_OK =
      dense_OK.masked_fill(lowest_of_rows(dense_OK.abs() * norms_K, {.fraction = 0.5}), 0);
  EXPECT_TRUE(at::equal(value(found, 1, Role::kUp).to(at::kDouble), wanted_OK));
}

TEST_F(SparseWeights, SparseGptSolvesEveryMatrixForItsOwnInputs) {
  const Model found = sparse(by("sparsegpt"));
  std::vector<Layer> layers = dense_.layers();
  layers[0] = found.layers()[0];
  const std::pair<Role, Site> places[] = {{Role::kKey, Site::kAttentionInput},
                                          {Role::kOutput, Site::kHeadOutput},
                                          {Role::kGate, Site::kMlpInput},
                                          {Role::kDown, Site::kNeuron}};
  for (const auto& [role, site] : places) {
    const at::Tensor inputs_NK = inputs(dense_.with_layers(layers), 1, site);
    const at::Tensor wanted_OK = sparsegpt({.weights_OK = value(dense_, 1, role),
                                            .gram_KK = inputs_NK.t().mm(inputs_NK),
                                            .pattern = {}});
    const at::Tensor found_OK = value(found, 1, role).to(at::kDouble);
    EXPECT_TRUE(at::allclose(found_OK, wanted_OK, 1e-3, 1e-4)) << static_cast<int>(role);
    EXPECT_FALSE(at::allclose(found_OK, wanted_OK.masked_fill(wanted_OK != 0, 1), 1e-3, 1e-4));
  }
}

TEST_F(SparseWeights, MethodsAreOrderedAsTheyShouldBe) {
  const double sparsegpt = error(sparse(by("sparsegpt"))), wanda = error(sparse(by("wanda"))),
               random = error(sparse(by("random")));
  EXPECT_LT(sparsegpt, wanda);
  EXPECT_LT(wanda, random);
  EXPECT_LT(error(sparse(by("magnitude"))), random);
}

TEST_F(SparseWeights, EveryProjectionHasItsZerosAndNothingElseChanges) {
  for (const SparseMethod& row : all_sparse_methods()) {
    const Model found = sparse(by(row.name));
    const ZeroCount count = count_zeros(found);
    EXPECT_EQ(2 * count.zeros, count.weights) << row.name;
    EXPECT_EQ(count_zeros(dense_).zeros, 0);
    for (const Layer& layer : found.layers()) EXPECT_EQ(layer.changed.size(), 7u) << row.name;
    EXPECT_TRUE(found.changed_globals().empty());
  }
}

TEST_F(SparseWeights, GroupsOfFourKeepTwo) {
  SparseOptions options = by("wanda");
  options.pattern = pattern_from_text("2:4");
  for (const char* method : {"wanda", "sparsegpt", "magnitude", "random"}) {
    options.method = method;
    const at::Tensor down_OK = value(sparse(options), 3, Role::kDown);
    EXPECT_TRUE(((down_OK.view({-1, 4}) != 0).sum(1) == 2).all().item<bool>()) << method;
  }
}

TEST_F(SparseWeights, ASeedDrawsTheSameZeros) {
  SparseOptions options = by("random");
  const at::Tensor first = value(sparse(options), 1, Role::kDown);
  EXPECT_TRUE(at::equal(first, value(sparse(options), 1, Role::kDown)));
  options.settings = Options("weights", {{"seed", 1}});
  EXPECT_FALSE(at::equal(first, value(sparse(options), 1, Role::kDown)));
}

TEST_F(SparseWeights, RefusalsNameTheTensor) {
  dense_ = without_neurons(2, {0});
  SparseOptions options = by("wanda");
  options.pattern = pattern_from_text("2:4");
  const std::string told = refusal_of([&] { sparse(options); });
  EXPECT_THAT(told, HasSubstr("groups of 4 do not divide 47 inputs"));
  EXPECT_THAT(told, HasSubstr("model.layers.2.mlp.down_proj.weight"));
  samples_.ids.clear();
  EXPECT_THROW(sparse(by("wanda")), Error);
  EXPECT_THROW(find_sparse_method("owl"), Error);
}

}  // namespace
}  // namespace mop::testing
