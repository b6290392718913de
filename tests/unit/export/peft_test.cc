// tests/unit/export/peft_test.cc -- adapters merged into a model, and what is refused.
#include "export/peft.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "export/adapter_keys.h"
#include "kit/random_model.h"
#include "kit/upstream_keys.h"
#include "model/weights.h"
#include "unit/export/pruned.h"

namespace mop {
namespace {
using mop::testing::TempFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr const char* kQuery = "base_model.model.model.layers.1.self_attn.q_proj";
constexpr const char* kDown = "base_model.model.model.layers.3.mlp.down_proj";

class Peft : public ::testing::Test {
 protected:
  Peft() {
    mop::testing::write_random_model(base_.path());  // hidden 32, heads 4 of 8, 48 neurons
    model_ = Model::open(base_.path());
    tensors_[std::string(kQuery) + ".lora_A.weight"] = at::rand({2, 32});
    tensors_[std::string(kQuery) + ".lora_B.weight"] = at::rand({32, 2});
    tensors_[std::string(kDown) + ".lora_A.weight"] = at::rand({2, 48});
    tensors_[std::string(kDown) + ".lora_B.weight"] = at::rand({32, 2});
    config_ = {{"peft_type", "LORA"},
               {"r", 2},
               {"lora_alpha", 6},
               {"bias", "none"},
               {"modules_to_save", nullptr},
               {"rank_pattern", Json::object()},
               {"base_model_name_or_path", "somewhere"}};
  }

  Model merge() {
    write_file(adapter_.path() / "adapter_config.json", to_text(config_));
    write_safetensors(adapter_.path() / "adapter_model.safetensors", tensors_, {{"format", "pt"}});
    return with_adapter(model_, adapter_.path(), std::nullopt, silent_progress());
  }

  std::string refusal() {
    try {
      merge();
    } catch (const Error& e) {
      return e.what();
    }
    return "accepted";
  }

  static at::Tensor weight(const Model& model, int64_t layer, Role role) {
    WeightLoader loader(model, {});
    return loader.layer(layer)[role].clone();
  }

  void expect_merged(const Model& merged, int64_t layer, Role role, const std::string& name,
                     double scale) {
    const at::Tensor expected =
        weight(model_, layer, role) +
        scale * at::mm(tensors_.at(name + ".lora_B.weight"), tensors_.at(name + ".lora_A.weight"));
    EXPECT_TRUE(at::allclose(weight(merged, layer, role), expected, 1e-6, 1e-6)) << name;
  }

  TempFolder base_, adapter_;
  Model model_;
  std::map<std::string, at::Tensor> tensors_;
  Json config_;
};

TEST_F(Peft, AddsTheScaledProduct) {
  const Model merged = merge();
  expect_merged(merged, 1, Role::kQuery, kQuery, 3);
  expect_merged(merged, 3, Role::kDown, kDown, 3);
  EXPECT_TRUE(at::equal(weight(merged, 0, Role::kQuery), weight(model_, 0, Role::kQuery)));
  EXPECT_EQ(adapter_base(adapter_.path()), "somewhere");
}

TEST_F(Peft, RankStabilisedAdaptersDivideByTheRoot) {
  config_["use_rslora"] = true;
  expect_merged(merge(), 1, Role::kQuery, kQuery, 6 / std::sqrt(2.));
}

TEST_F(Peft, RefusesAlphaPatternsThatCannotBeUsed) {
  config_["alpha_pattern"] = {{"q_proj", "four"}};
  EXPECT_THAT(refusal(), HasSubstr("'alpha_pattern' gives 'q_proj' \"four\""));
  config_["alpha_pattern"] = {{"q_(proj", 4}};
  EXPECT_THAT(refusal(), AllOf(HasSubstr("is not understood"),
                               HasSubstr("adapter_config.json, alpha_pattern")));
  config_["alpha_pattern"] = {{"q_proj", 1e39}};
  EXPECT_THAT(refusal(), HasSubstr("'alpha_pattern' gives 1e+39, which is no number of float32"));
  config_["alpha_pattern"] = 4;
  EXPECT_THAT(refusal(), HasSubstr("'alpha_pattern' is not an object"));
}

TEST_F(Peft, AMergedModelIsPrunedLikeAnyOther) {
  const Model pruned = mop::testing::prune_by_hand(merge(), 0);
  EXPECT_EQ(pruned.layers()[0].source, 1);
  EXPECT_EQ(weight(model_, 1, Role::kQuery).size(0), 32);
}

TEST_F(Peft, RefusesWhatItWouldHaveToLeaveOut) {
  const std::map<std::string, Json> other = {{"bias", "all"},
                                             {"modules_to_save", {"lm_head"}},
                                             {"layer_replication", {{0, 2}}},
                                             {"alora_invocation_tokens", {1}}};
  for (const KeyFate& row : adapter_keys().keys) {
    if (row.fate != Fate::kRefused || row.key == "peft_type") continue;
    const std::string key(row.key);
    const Json before = config_;
    config_[key] = other.contains(key) ? other.at(key) : Json(true);
    EXPECT_THAT(refusal(), HasSubstr("unsupported: the adapter sets '" + key + "'"));
    config_ = before;
  }
  for (const char* init : {"loftq", "corda", "pissa_niter_4"}) {
    config_["init_lora_weights"] = init;
    EXPECT_THAT(refusal(), HasSubstr("'init_lora_weights' to '" + std::string(init) + "'"));
  }
  config_["peft_type"] = "IA3";
  EXPECT_THAT(refusal(), HasSubstr("unsupported adapter type 'IA3', expected LORA"));
}

TEST_F(Peft, ListsEveryTensorThatDoesNotFit) {
  tensors_["base_model.model.lm_head.lora_A.weight"] = at::rand({2, 32});
  tensors_[std::string(kQuery) + ".lora_A.weight"] = at::rand({2, 24});  // of another model
  EXPECT_THAT(refusal(), AllOf(HasSubstr("3 of the adapter's 5 tensors do not fit the model"),
                               HasSubstr("lm_head.lora_A.weight [2, 32]"),
                               HasSubstr("q_proj.lora_A.weight [2, 24]"),
                               HasSubstr("q_proj.lora_B.weight [32, 2]")));
}

TEST_F(Peft, EveryKeyOfLoraConfigHasAFate) {
  expect_every_key_has_a_fate(adapter_keys(), "adapter_config.json");
}

TEST_F(Peft, UnknownKeysAreNoted) {
  struct Notes : Progress {
    void note(std::string_view text) override { lines.emplace_back(text); }
    std::vector<std::string> lines;
  } notes;
  config_["use_new_thing"] = false;
  merge();
  with_adapter(model_, adapter_.path(), std::nullopt, notes);
  EXPECT_THAT(notes.lines,
              ::testing::ElementsAre("adapter_config.json: use_new_thing is unknown and ignored"));
}

// Initialisations that take their product out of the base weight, too:
// tools/golden/peft_adapters.py.
TEST_F(Peft, ComputesWithTheWeightsThatPeftComputesWith) {
  const std::filesystem::path golden = std::filesystem::path(MOP_SOURCE_DIR) / "tests/golden/peft";
  const SafetensorsFile expected = SafetensorsFile::open(golden / "expected.safetensors");
  const Model base = Model::open(golden / "base");
  std::map<std::string, Model> merged;
  for (const char* name : {"pissa", "olora", "ranks", "alphas", "orthogonal"}) {
    merged[name] = with_adapter(base, golden / name, at::kFloat, silent_progress());
  }
  int64_t checked = 0;
  for (const auto& [name, entry] : expected.entries()) {
    const size_t slash = name.find('/');
    const Model& model = merged.at(name.substr(0, slash));
    for (int64_t i = 0; i < model.num_layers(); ++i) {
      for (const LayerTensor* tensor : tensors_of_layer(model.config(), model.config().layers[0])) {
        if (tensor_name(*model.config().family, i, *tensor) != name.substr(slash + 1)) continue;
        const at::Tensor ours = stored_tensor(model, i, *tensor);
        EXPECT_LE((ours - expected.tensor(name)).abs().max().item<double>(), 2e-6) << name;
        ++checked;
      }
    }
  }
  EXPECT_EQ(checked, 20);
}

TEST_F(Peft, SaysWhatToDoWithPickledWeights) {
  merge();
  std::filesystem::remove(adapter_.path() / "adapter_model.safetensors");
  const auto error = [&] {
    try {
      with_adapter(model_, adapter_.path(), std::nullopt, silent_progress());
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(error(), HasSubstr("the adapter has no adapter_model.safetensors"));
  write_file(adapter_.path() / "adapter_model.bin", "x");
  EXPECT_THAT(error(), AllOf(HasSubstr("only available as adapter_model.bin"),
                             HasSubstr("torch.load('adapter_model.bin', weights_only=True)"),
                             HasSubstr("save_file")));
}

TEST_F(Peft, SaysWhenAFolderIsNoAdapter) {
  try {
    with_adapter(model_, base_.path(), std::nullopt, silent_progress());
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("this is not a PEFT adapter: it has no adapter_config.json"));
  }
}

}  // namespace
}  // namespace mop
