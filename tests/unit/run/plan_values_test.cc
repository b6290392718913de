// tests/unit/run/plan_values_test.cc -- a plan's values: named, found again, refused when they
// are others.
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "export/hf_writer.h"
#include "kit/random_model.h"
#include "model/weights.h"
#include "surgery/surgery.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;
namespace fs = std::filesystem;

// Layer 1 of 4 is gone; of layer 2, two neurons. Then layer 2's down_proj and the final norm
// change.
class Values : public ::testing::Test {
 protected:
  Values() {
    write_random_model(folder_.path() / "dense");
    dense_ = Model::open(folder_.path() / "dense");
    pruned_ = apply({"", {{1, true, {}, {}, {}}, {2, false, {}, {}, {3, 40}}}, {}, 0}, dense_);
    std::vector<Layer> layers = pruned_.layers();
    layers[1].changed[Role::kDown] = at::ones({32, 46}) * 0.25;
    changed_ = pruned_.with_layers(layers).with_global(GlobalRole::kFinalNorm, at::ones({32}) * 3);
  }
  // The plan's values once the model lies in a folder.
  PlanValues written(const Model& model, const PlanValues& earlier = {}) {
    fs::create_directories(folder_.path() / "out");
    write_hf(model, folder_.path() / "out");
    stored_ = Checkpoint::open(folder_.path() / "out");
    return values_of(model, sources(model), earlier, *stored_, "..");
  }
  static IndexList sources(const Model& model) {
    IndexList list;
    for (const Layer& layer : model.layers()) list.push_back(layer.source);
    return list;
  }
  TempFolder folder_;
  Model dense_, pruned_, changed_;
  std::shared_ptr<const Checkpoint> stored_;
};

TEST_F(Values, AreNamedAsInTheSourceAndFoundInTheResult) {
  const PlanValues values = written(changed_);
  ASSERT_EQ(values.sha256.size(), 2u);
  EXPECT_TRUE(values.sha256.contains("model.layers.2.mlp.down_proj.weight"));
  EXPECT_TRUE(values.sha256.contains("model.norm.weight"));
  EXPECT_EQ(values.parameters, total_parameters(changed_.config()));
  const Model again = with_values(pruned_, values, *stored_);
  fs::create_directories(folder_.path() / "again");
  write_hf(again, folder_.path() / "again");
  verify_written(folder_.path() / "again", changed_);
}

TEST_F(Values, NothingChangedIsNoValues) { EXPECT_EQ(written(pruned_), PlanValues()); }

TEST_F(Values, EarlierOnesStay) {
  PlanValues earlier{"elsewhere", {{"model.layers.3.mlp.up_proj.weight", "12"}}, 1};
  const PlanValues values = written(changed_, earlier);
  EXPECT_EQ(values.sha256.size(), 3u);
  EXPECT_EQ(values.sha256.at("model.layers.3.mlp.up_proj.weight"), "12");
  EXPECT_EQ(values.checkpoint, "..");
}

TEST_F(Values, NewBiasesComeWithThem) {
  std::vector<Layer> layers = changed_.layers();
  for (Layer& layer : layers) layer.changed[Role::kDownBias] = at::ones({32});
  const Model biased = changed_.with_layers(layers).with_biases(false, true);
  const PlanValues values = written(biased);
  const Model again = with_values(pruned_, values, *stored_);
  EXPECT_TRUE(again.config().down_bias);
  EXPECT_FALSE(again.config().output_bias);
  EXPECT_TRUE(at::equal(again.layers()[0].changed.at(Role::kDownBias), at::ones({32})));
}

TEST_F(Values, OthersAreRefused) {
  PlanValues values = written(changed_);
  PlanValues other = values;
  other.sha256["model.norm.weight"] = std::string(64, '0');
  EXPECT_THAT([&] { with_values(pruned_, other, *stored_); },
              ThrowsMessage<Error>(HasSubstr("model.norm.weight is not the tensor")));
  other = values;
  other.sha256["model.layers.1.mlp.down_proj.weight"] = "0";
  EXPECT_THAT([&] { with_values(pruned_, other, *stored_); },
              ThrowsMessage<Error>(HasSubstr("which the model lacks")));
  other = values;
  other.parameters += 1;
  EXPECT_THROW(with_values(pruned_, other, *stored_), Error);
}

}  // namespace
}  // namespace mop::testing
