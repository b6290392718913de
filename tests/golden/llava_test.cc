// A language model that stands beside a vision tower: remade by tools/golden/llava.py.
#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "checkpoint/safetensors.h"
#include "export/hf_writer.h"
#include "kit/random_model.h"
#include "kit/refusal.h"
#include "model/composite.h"
#include "model/forward.h"
#include "model/generate.h"

namespace mop {
namespace {
namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing::refusal_of;
using ::testing::StartsWith;

const fs::path kFolder = fs::path(MOP_SOURCE_DIR) / "tests/golden/llava";

struct Expected {
  at::Tensor rows_PD, ids_N, logits_NV;
  Packing packing;
};

Expected read_expected(const fs::path& folder) {
  const SafetensorsFile file = SafetensorsFile::open(folder / "expected.safetensors");
  Expected expected{file.tensor("rows"), file.tensor("ids"), file.tensor("logits"), {}};
  const at::Tensor lengths = file.tensor("lengths");
  for (int64_t i = 0; i < lengths.numel(); ++i)
    expected.packing.lengths.push_back(lengths[i].item<int64_t>());
  return expected;
}

double difference(const at::Tensor& ours, const at::Tensor& theirs) {
  return ((ours - theirs).abs().max() / theirs.abs().max()).item<double>();
}

class Llava : public ::testing::TestWithParam<const char*> {
 protected:
  fs::path folder() const { return kFolder / GetParam(); }
};

TEST_P(Llava, LogitsOfWordsAndPicturesAreTransformers) {
  const at::NoGradGuard no_gradient;
  const Expected expected = read_expected(folder());
  const Model model = Model::open(folder()).with_input_rows(expected.rows_PD);
  WeightLoader weights(model, {});
  const at::Tensor hidden_ND = run_layers(weights, expected.ids_N, expected.packing);
  const at::Tensor ours_NV = logits(weights.globals(), model.config(), hidden_ND);
  EXPECT_LE(difference(ours_NV, expected.logits_NV), 1e-5);
}

TEST_P(Llava, PicturesGoThroughTheCache) {
  const Expected expected = read_expected(folder());
  const Model model = Model::open(folder()).with_input_rows(expected.rows_PD);
  WeightLoader weights(model, {});
  int64_t first = 0;
  for (const int64_t length : expected.packing.lengths) {
    Decoder decoder(weights, 1, 2);
    const at::Tensor ids_1T = expected.ids_N.narrow(0, first, length).unsqueeze(0);
    for (int64_t t = 0; t < length; t += 3) {  // in the middle of a picture, too
      const at::Tensor ours_1V = decoder.feed(ids_1T.slice(1, t, std::min(t + 3, length)));
      const at::Tensor theirs_V = expected.logits_NV[first + std::min(t + 3, length) - 1];
      EXPECT_LE(difference(ours_1V.squeeze(0), theirs_V), 1e-5) << t;
    }
    first += length;
  }
}

TEST_P(Llava, RowsBehindTheVocabularyAreNoWordsOfAModelWithoutPictures) {
  const Expected expected = read_expected(folder());
  if (expected.rows_PD.size(0) == 0) return;  // words alone
  WeightLoader weights(Model::open(folder()), {});
  EXPECT_THAT(refusal_of([&] { run_layers(weights, expected.ids_N, expected.packing); }),
              HasSubstr("outside the model's vocabulary of 40"));
}

// A layer and a unit of each kind are gone.
Model smaller(const Model& model) {
  std::vector<Layer> layers = model.layers();
  layers.erase(layers.begin() + 1);
  for (Layer& layer : layers) {
    layer.heads = {0, 1};
    layer.kv_heads = {0};
    layer.neurons = {1, 3, 5, 7, 30};
  }
  return model.with_layers(std::move(layers));
}

std::map<std::string, at::Tensor> stored(const fs::path& folder) {
  std::map<std::string, at::Tensor> tensors;
  const SafetensorsFile file = SafetensorsFile::open(folder / "model.safetensors");
  for (const auto& [name, entry] : file.entries()) tensors[name] = file.tensor(name);
  return tensors;
}

TEST_P(Llava, WhatIsWrittenKeepsItsNamesAndAllBesideTheLanguageModel) {
  const Model model = Model::open(folder());
  const testing::TempFolder out;
  write_hf(smaller(model), out.path());
  verify_written(out.path(), smaller(model));
  const auto before = stored(folder()), after = stored(out.path());
  int64_t passed = 0;
  for (const auto& [name, tensor] : before) {
    const bool of_language_model = name.starts_with("language_model.");
    if (of_language_model) continue;
    ASSERT_TRUE(after.contains(name)) << name;
    EXPECT_TRUE(at::equal(after.at(name), tensor)) << name;
    ++passed;
  }
  EXPECT_GT(passed, 50);
  for (const auto& [name, tensor] : after) EXPECT_TRUE(before.contains(name)) << name;
  const Json config = read_json(out.path() / "config.json");
  EXPECT_EQ(config["model_type"], read_json(folder() / "config.json")["model_type"]);
  EXPECT_EQ(config["vision_config"], read_json(folder() / "config.json")["vision_config"]);
  EXPECT_EQ(config["text_config"]["num_hidden_layers"], 2);
  EXPECT_EQ(config["text_config"]["intermediate_size"], 5);
}

TEST_P(Llava, LayersThatDifferHaveCodeAndTheNamesThatItReads) {
  const Model model = Model::open(folder());
  Model uneven = smaller(model);
  std::vector<Layer> layers = uneven.layers();
  layers[0].neurons = {2, 4};
  layers[1].heads.clear();
  layers[1].kv_heads.clear();
  uneven = uneven.with_layers(layers);
  const testing::TempFolder out;
  write_hf(uneven, out.path());
  verify_written(out.path(), uneven);
  for (const auto& [name, tensor] : stored(out.path())) {
    if (name == "lm_head.weight") continue;
    EXPECT_THAT(name, StartsWith("model."));
  }
  const std::string kind = model.config().composite->kind->tiles ? "llava_next" : "llava";
  EXPECT_TRUE(fs::exists(out.path() / ("modeling_per_layer_" + kind + ".py")));
  // And once more from there, as a source.
  const testing::TempFolder again;
  write_hf(Model::open(out.path()), again.path());
  verify_written(again.path(), uneven);
  EXPECT_EQ(read_json(again.path() / "config.json"), read_json(out.path() / "config.json"));
}

INSTANTIATE_TEST_SUITE_P(Golden, Llava,
                         ::testing::Values("default-transformers4", "default-transformers5",
                                           "full-two-layers-transformers4",
                                           "full-two-layers-transformers5", "tiles-transformers4",
                                           "tiles-transformers5"),
                         [](const auto& info) {
                           std::string name = info.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

}  // namespace
}  // namespace mop
