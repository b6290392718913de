#include "model/model.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <functional>

#include "base/error.h"
#include "base/files.h"
#include "checkpoint/safetensors.h"
#include "kit/random_model.h"
#include "kit/upstream_keys.h"
#include "model/generation_config.h"
#include "model/weights.h"

namespace mop {
namespace {
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using Tensors = std::map<std::string, at::Tensor>;

// A random model whose tensors were changed by `change` after it was written.
class ModelOpen : public ::testing::Test {
 protected:
  void write(const std::function<void(Tensors&)>& change, testing::RandomModel what = {}) {
    testing::write_random_model(folder_.path(), what);
    Tensors tensors;
    {
      const SafetensorsFile file = SafetensorsFile::open(folder_.path() / "model.safetensors");
      for (const auto& [name, entry] : file.entries()) tensors[name] = file.tensor(name).clone();
    }
    change(tensors);
    write_safetensors(folder_.path() / "model.safetensors", tensors);
  }
  std::string refusal() {
    try {
      Model::open(folder_.path());
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
      return e.what();
    }
    return "accepted";
  }
  testing::TempFolder folder_;
};

TEST_F(ModelOpen, ListsEveryDifferenceInOneError) {
  write([](Tensors& tensors) {
    tensors.erase("model.layers.0.mlp.up_proj.weight");
    tensors.erase("model.norm.weight");
    tensors["model.layers.4.mlp.up_proj.weight"] = at::zeros({48, 32});
    tensors["score.weight"] = at::zeros({2, 32});
    tensors["model.layers.1.self_attn.k_proj.weight"] = at::zeros({32, 32});
    tensors["model.layers.2.input_layernorm.weight"] = at::zeros({32}, at::kLong);
  });
  const std::string text = refusal();
  EXPECT_THAT(
      text,
      AllOf(HasSubstr("1 dtype, 2 missing, 1 shape, 2 unknown"), HasSubstr(folder_.path().string()),
            HasSubstr("model.layers.0.mlp.up_proj.weight"), HasSubstr("model.norm.weight"),
            HasSubstr("model.layers.4.mlp.up_proj.weight"), HasSubstr("score.weight")));
  EXPECT_THAT(text,
              HasSubstr("model.layers.1.self_attn.k_proj.weight is [32, 32], expected [16, 32]"));
  EXPECT_THAT(text,
              HasSubstr("model.layers.2.input_layernorm.weight is I64, expected F32, F16 or BF16"));
}

TEST_F(ModelOpen, AcceptsTheRotaryFrequenciesOfOldFiles) {
  write([](Tensors& tensors) {
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = at::ones({4});
  });
  EXPECT_EQ(refusal(), "accepted");
}

TEST_F(ModelOpen, AcceptsACopyOfATiedHeadButNotAMissingUntiedOne) {
  testing::RandomModel tied;
  tied.tied = true;
  write([](Tensors& tensors) { tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"]; },
        tied);
  EXPECT_EQ(refusal(), "accepted");
  write([](Tensors& tensors) { tensors.erase("lm_head.weight"); });
  EXPECT_THAT(refusal(), AllOf(HasSubstr("1 missing"), HasSubstr("lm_head.weight")));
}

// In another type than the embedding.
void store_the_embedding_as_head(Tensors& tensors) {
  at::Tensor& embedding = tensors["model.embed_tokens.weight"];
  embedding = embedding.to(at::kBFloat16);
  tensors["lm_head.weight"] = embedding.to(at::kFloat);
}

TEST_F(ModelOpen, KeepsAStoredHeadThatIsNotTheEmbedding) {
  testing::RandomModel tied;
  tied.tied = true;
  write([](Tensors& tensors) { tensors["lm_head.weight"] = at::ones({96, 32}); }, tied);
  const Model model = Model::open(folder_.path());
  EXPECT_FALSE(model.config().tied_embedding);
  EXPECT_THAT(model.config().notes, ElementsAre(AllOf(HasSubstr("the stored head is used"),
                                                      HasSubstr("lm_head.weight"))));
  WeightLoader loader(model, {});
  EXPECT_TRUE(at::equal(loader.globals().head_VD, at::ones({96, 32})));
  // The same values in another type are no other head.
  write(store_the_embedding_as_head, tied);
  EXPECT_TRUE(Model::open(folder_.path()).config().tied_embedding);
  EXPECT_THAT(Model::open(folder_.path()).config().notes, IsEmpty());
}

// Of AddressSanitizer, if it is there: its allocator touches pages of its own.
extern "C" __attribute__((weak)) void __asan_init();

// Pages that the process touches for the first time say how much memory it takes, whoever
// allocates.
TEST_F(ModelOpen, ComparesAStoredHeadInPieces) {
  if (&__asan_init != nullptr) GTEST_SKIP() << "pages are counted without AddressSanitizer";
  testing::RandomModel tied;
  tied.tied = true;
  tied.vocab = 400'000;  // 25.6 and 51.2 MB, as much again once converted
  write(store_the_embedding_as_head, tied);
  const auto faults = [] {
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_minflt;
  };
  const int64_t before = faults();
  EXPECT_TRUE(Model::open(folder_.path()).config().tied_embedding);
  EXPECT_LT(faults() - before, 6000);
}

// What LlamaModel.save_pretrained writes.
TEST_F(ModelOpen, ReadsNamesThatLackTheirPrefix) {
  testing::RandomModel tied;
  tied.tied = true;
  Tensors usual;
  write(
      [&](Tensors& tensors) {
        usual = tensors;
        tensors.clear();
        for (const auto& [name, value] : usual) tensors[name.substr(6)] = value;
      },
      tied);
  const Model model = Model::open(folder_.path());
  EXPECT_THAT(model.config().notes, ElementsAre(HasSubstr("names lack the prefix 'model.'")));
  for (const auto& [name, value] : usual) {
    EXPECT_TRUE(at::equal(model.checkpoint().tensor(name), value)) << name;
  }
}

TEST_F(ModelOpen, NamesTheModelWithinAnother) {
  write([&](Tensors& tensors) {
    const Tensors usual = tensors;
    tensors.clear();
    for (const auto& [name, value] : usual) tensors["language_model." + name] = value;
    tensors["vision_tower.patch.weight"] = at::ones({2});
  });
  EXPECT_THAT(refusal(), AllOf(HasSubstr("begin with 'language_model.model.', expected 'model.'"),
                               HasSubstr("vision_tower.*"), HasSubstr("hint")));
}

TEST_F(ModelOpen, GenerationEndsWhereGenerationConfigSays) {
  write([](Tensors&) {});
  EXPECT_THAT(Model::open(folder_.path()).config().eos, ElementsAre(2));
  const auto eos_with = [&](const char* text) {
    write_file(folder_.path() / "generation_config.json", text);
    return Model::open(folder_.path()).config();
  };
  EXPECT_THAT(eos_with(R"({"eos_token_id": [2, 10]})").eos, ElementsAre(2, 10));
  EXPECT_THAT(eos_with(R"({"eos_token_id": 10})").eos, ElementsAre(10));
  EXPECT_THAT(eos_with(R"({"eos_token_id": 10, "transformers_version": "5"})").notes, IsEmpty());
  // transformers 4 and 5 do not fall back on config.json, either.
  EXPECT_THAT(eos_with(R"({"bos_token_id": 1})").eos, IsEmpty());
  EXPECT_THAT(eos_with("{}").notes,
              ElementsAre(HasSubstr("generation does not stop at config.json's (2)")));
  EXPECT_THAT(eos_with(R"({"eos_token_id": 2, "strange": 1})").notes,
              ElementsAre("generation_config.json: strange is unknown and ignored"));
  EXPECT_THROW(eos_with(R"({"eos_token_id": "x"})"), Error);
  EXPECT_THROW(eos_with("[]"), Error);
}

TEST_F(ModelOpen, SettingsOfGenerationThatAreNotAppliedAreListed) {
  write([](Tensors&) {});
  write_file(folder_.path() / "generation_config.json",
             R"({"do_sample": true, "temperature": 0.6, "top_p": 1.0, "repetition_penalty": 1.05,
                 "num_beams": 1, "bad_words_ids": null, "suppress_tokens": []})");
  EXPECT_THAT(unapplied_generation_settings(folder_.path()),
              ElementsAre("do_sample true", "temperature 0.6", "repetition_penalty 1.05"));
  EXPECT_THAT(generation_note(folder_.path()), HasSubstr("sets do_sample true, temperature"));
  // Without do_sample transformers takes the likeliest token, too.
  write_file(folder_.path() / "generation_config.json", R"({"temperature": 0.6, "top_p": 0.9})");
  EXPECT_THAT(unapplied_generation_settings(folder_.path()), IsEmpty());
  EXPECT_EQ(generation_note(folder_.path()), "");
}

TEST(GenerationConfig, EveryKeyOfTransformersHasAFate) {
  expect_every_key_has_a_fate(generation_config_keys(), "generation_config.json", {"chat_format"});
}

TEST_F(ModelOpen, RefusesBiasesThatTheConfigDoesNotPromise) {
  testing::RandomModel biased;
  biased.extra = R"({"attention_bias": true})";
  write([](Tensors&) {}, biased);
  EXPECT_EQ(refusal(), "accepted");
  write(
      [](Tensors& tensors) { tensors["model.layers.0.self_attn.q_proj.bias"] = at::zeros({32}); });
  EXPECT_THAT(refusal(), HasSubstr("model.layers.0.self_attn.q_proj.bias"));
}

TEST(Model, ShapesFollowTheKeptUnits) {
  testing::TempFolder folder;
  testing::RandomModel what;
  what.family = "qwen2";
  what.extra = R"({"use_sliding_window": true, "sliding_window": 4, "max_window_layers": 2})";
  testing::write_random_model(folder.path(), what);
  const Model dense = Model::open(folder.path());
  std::vector<Layer> layers = dense.layers();
  layers[0].heads = {1};
  layers[0].kv_heads = {0};
  layers[3].neurons = {0, 7, 9};
  layers.erase(layers.begin() + 1);
  const Model model = dense.with_layers(layers);
  EXPECT_THAT(model.config().layers,
              ::testing::ElementsAre(LayerShape{1, 1, 8, 48}, LayerShape{4, 2, 8, 48},
                                     LayerShape{4, 2, 8, 3}));
  EXPECT_THAT(model.config().windowed, ::testing::ElementsAre(false, true, true));
  EXPECT_EQ(dense.num_layers(), 4);
  EXPECT_EQ(dense.config().layers.size(), 4u);
  layers[0].source = 9;
  EXPECT_THROW(dense.with_layers(layers), Error);
}

TEST(Model, LayersAreTheSameWhenTheyComputeTheSame) {
  testing::TempFolder folder;
  testing::write_random_model(folder.path());
  const Model dense = Model::open(folder.path());
  Layer layer = dense.layers()[1];
  EXPECT_TRUE(layer.same_as(dense.layers()[1]));
  EXPECT_FALSE(layer.same_as(dense.layers()[2]));
  const at::Tensor value = at::ones({32});
  layer.changed[Role::kInputNorm] = value;
  EXPECT_FALSE(layer.same_as(dense.layers()[1]));
  Layer other = dense.layers()[1];
  other.changed[Role::kInputNorm] = value;
  EXPECT_TRUE(layer.same_as(other));
  other.changed[Role::kInputNorm] = at::ones({32});
  EXPECT_FALSE(layer.same_as(other));
}

}  // namespace
}  // namespace mop
