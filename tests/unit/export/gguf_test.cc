// A model as a GGUF file: read back, it computes the same.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "export/formats.h"
#include "export/gguf_plan.h"
#include "export/gguf_writer.h"
#include "kit/random_model.h"
#include "text/tokenizer.h"
#include "unit/export/pruned.h"

namespace mop {
namespace {
namespace fs = std::filesystem;
using mop::testing::demo_model;
using mop::testing::RandomModel;
using mop::testing::TempFolder;
using mop::testing::write_random_model;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class Gguf : public ::testing::Test {
 protected:
  Model random(const RandomModel& what) {
    write_random_model(folder_.path() / "m", what);
    return Model::open(folder_.path() / "m");
  }
  fs::path file(const std::string& name = "m.gguf") const { return folder_.path() / name; }
  // Writes, reads back, compares logits.
  double difference(const Model& model, std::optional<GgmlType> type = {}) {
    write_gguf(model, file(), type);
    return verify_logits(model, file(), logits_tolerance(model, type));
  }

 private:
  TempFolder folder_;
};

Model without_halves(const Model& dense) {
  std::vector<Layer> layers = dense.layers();
  layers[0].heads = layers[0].kv_heads = {};
  layers[1].neurons = {};
  layers[2].neurons.resize(13);
  layers.back().heads = layers.back().kv_heads = layers.back().neurons = {};
  return dense.with_layers(layers);
}

TEST_F(Gguf, EveryFamilyComesBackWithItsLogits) {
  for (const char* family : {"llama", "mistral", "qwen2", "qwen3"}) {
    const Model model = random({.family = family, .head_dim = 16, .tied = true});
    EXPECT_LE(difference(model), 1e-5) << family;
    EXPECT_EQ(Model::open(file()).config().layers, model.config().layers) << family;
  }
}

TEST_F(Gguf, BiasesAndRopeScalingComeBack) {
  EXPECT_LE(difference(random({.extra = R"({"attention_bias":true,"mlp_bias":true})"})), 1e-5);
  EXPECT_LE(
      difference(random({.extra = R"({"rope_scaling":{"rope_type":"linear","factor":2.0}})"})),
      1e-5);
  const Model llama3 = random({.extra = R"({"rope_scaling":{"rope_type":"llama3","factor":5.0,
      "low_freq_factor":1.5,"high_freq_factor":3.0,"original_max_position_embeddings":24}})"});
  EXPECT_LE(difference(llama3), 1e-5);
  EXPECT_EQ(Model::open(file()).config().rope.original_context, 24);
}

TEST_F(Gguf, ScalingByYarnAndLongropeComesBack) {
  const char* yarn = R"({"rope_scaling":{"rope_type":"yarn","factor":4.0,
      "original_max_position_embeddings":16}})";
  for (const char* family : {"llama", "qwen2", "qwen3"}) {
    EXPECT_LE(difference(random({.family = family, .head_dim = 16, .extra = yarn})), 1e-5)
        << family;
    EXPECT_EQ(Model::open(file()).config().rope.type, "yarn");
  }
  const char* quiet = R"({"rope_scaling":{"rope_type":"yarn","factor":4.0,"attention_factor":0.7,
      "original_max_position_embeddings":16}})";
  EXPECT_LE(difference(random({.extra = quiet})), 1e-5);
  EXPECT_NEAR(Model::open(file()).config().rope.attention_factor, 0.7, 1e-6);
  const char* longrope = R"({"original_max_position_embeddings":16,"rope_scaling":
      {"rope_type":"longrope","short_factor":[1,1.5,2,2.5],"long_factor":[1,3,5,7]}})";
  for (const char* family : {"llama", "qwen2"}) {
    const Model model = random({.family = family, .extra = longrope});
    EXPECT_EQ(plan_gguf(model, {}).architecture->name, "llama") << "the one that reads factors";
    EXPECT_LE(difference(model), 1e-5) << family;
    const RopeConfig read = Model::open(file()).config().rope;
    EXPECT_EQ(read.original_context, 16);
    EXPECT_NEAR(read.attention_factor, model.config().rope.attention_factor, 1e-6);
  }
  EXPECT_THAT(write_gguf(random({.extra = longrope}), file(), {}),
              Contains(HasSubstr("by its context size (long ones above 16)")));
}

TEST_F(Gguf, RefusesScalingThatLlamaCppDoesNotCompute) {
  const auto refusal = [&](const char* scaling, const char* family = "llama") {
    const Model model =
        random({.family = family, .extra = fmt::format(R"({{"rope_scaling":{}}})", scaling)});
    try {
      write_gguf(model, file(), {});
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("written");
  };
  EXPECT_THAT(refusal(R"({"type":"dynamic","factor":2.0})"), HasSubstr("rope type 'dynamic'"));
  EXPECT_THAT(refusal(R"({"type":"yarn","factor":2.0,"beta_fast":16})"), HasSubstr("beta_fast 32"));
  EXPECT_THAT(refusal(R"({"type":"yarn","factor":2.0,"truncate":false})"), HasSubstr("truncate"));
  EXPECT_THAT(refusal(R"({"type":"longrope","factor":2.0,"short_factor":[1,1,1,1],
                          "long_factor":[1,2,3,4]})",
                      "qwen3"),
              HasSubstr("factors (llama3, longrope)"));
}

TEST_F(Gguf, LayersThatDifferAreDeci) {
  const Model model = without_halves(random({.layers = 5}));
  EXPECT_EQ(plan_gguf(model, {}).architecture->name, "deci");
  EXPECT_LE(difference(model), 1e-5);
  const std::vector<LayerShape> layers = Model::open(file()).config().layers;
  ASSERT_EQ(layers.size(), 4);    // the empty one is left out
  EXPECT_EQ(layers[0].heads, 1);  // zeros
  EXPECT_EQ(layers[1].mlp, 32);   // zeros
  EXPECT_EQ(layers[2].mlp, 13);
}

TEST_F(Gguf, BiasesOfStandInsAreThereToo) {
  const Model model =
      without_halves(random({.layers = 5, .extra = R"({"attention_bias":true,"mlp_bias":true})"}));
  EXPECT_LE(difference(model), 1e-5);
}

TEST_F(Gguf, Qwen3CannotDifferByLayer) {
  const Model model = without_halves(random({.family = "qwen3", .layers = 5}));
  try {
    write_gguf(model, file(), {});
    FAIL() << "was written";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("Qwen3 only with equal layers"));
  }
  EXPECT_FALSE(fs::exists(file()));
}

TEST_F(Gguf, AWindowEndsTheContext) {
  const Model model = random({.family = "mistral", .extra = R"({"sliding_window":8})"});
  EXPECT_THAT(write_gguf(model, file(), {}),
              Contains(HasSubstr("context_length is the window, 8")));
  EXPECT_EQ(Model::open(file()).config().context, 8);
}

TEST_F(Gguf, OddRowsStaySixteenBit) {
  const Model model = random({.hidden = 64, .heads = 4, .head_dim = 16, .mlp = 50});
  const std::vector<std::string> notes = write_gguf(model, file(), GgmlType::kQ8_0);
  EXPECT_THAT(notes,
              Contains(AllOf(HasSubstr("4 tensors remain 16-bit"), HasSubstr("rows of 50"))));
  const GgufFile written = GgufFile::open(file());
  const auto& tensors = written.tensors();
  EXPECT_EQ(tensors.at("blk.0.ffn_down.weight").type, GgmlType::kF16);
  EXPECT_EQ(tensors.at("blk.0.ffn_up.weight").type, GgmlType::kQ8_0);
  EXPECT_EQ(tensors.at("blk.0.ffn_norm.weight").type, GgmlType::kF32);
  EXPECT_EQ(tensors.at("token_embd.weight").type, GgmlType::kQ8_0);
}

TEST_F(Gguf, SameModelSameBytes) {
  const Model model = random({});
  write_gguf(model, file("a.gguf"), {});
  write_gguf(model, file("b.gguf"), {});
  EXPECT_EQ(read_file(file("a.gguf")), read_file(file("b.gguf")));
}

TEST_F(Gguf, AValueThatTheTypeCannotHoldIsNamed) {
  const Model dense = random({});
  at::Tensor head = dense.checkpoint().tensor("lm_head.weight").clone();
  head[3][5] = 1e5;
  try {
    write_gguf(dense.with_global(GlobalRole::kHead, head), file(), GgmlType::kF16);
    FAIL() << "was written";
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("not finite as f16"), HasSubstr("output.weight")));
  }
  EXPECT_FALSE(fs::exists(file()));
}

TEST_F(Gguf, AnotherFunctionIsNoticed) {
  const Model model = random({});
  write_gguf(random({.seed = 2}), file(), {});
  EXPECT_THROW(verify_logits(model, file(), 1e-4), Error);
}

TEST_F(Gguf, TheDemoModelKeepsItsTokenizer) {
  const Model model = Model::open(demo_model());
  EXPECT_THAT(write_gguf(model, file(), {}), ElementsAre(HasSubstr("repeated and outer blanks")));
  EXPECT_EQ(verify_logits(model, file(), 1e-5), 0.0);
  const auto before = open_tokenizer(demo_model()), after = open_tokenizer(file());
  for (const char* text :
       {"once upon a time", "  two  blanks ", "<s> in </s> text", "Zo\u00eb 12", ""}) {
    for (const Special special : {Special::kNone, Special::kDefault}) {
      EXPECT_EQ(before->encode(text, special), after->encode(text, special)) << text;
    }
    EXPECT_EQ(before->decode(before->encode(text, Special::kNone)),
              after->decode(after->encode(text, Special::kNone)));
  }
}

TEST_F(Gguf, IsAFolderAgain) {
  const Model model = Model::open(demo_model());
  write_gguf(model, file(), {});
  const fs::path folder = file("folder");
  fs::create_directory(folder);
  const Model from_file = Model::open(file());
  find_format("hf").write(from_file, folder, "", silent_progress());
  EXPECT_EQ(verify_logits(model, folder, 1e-6), 0.0);
  EXPECT_EQ(read_json(folder / "config.json")["architectures"], (Json{"LlamaForCausalLM"}));
  EXPECT_EQ(open_tokenizer(folder)->encode("once upon a time", Special::kDefault),
            open_tokenizer(demo_model())->encode("once upon a time", Special::kDefault));
}

TEST(Formats, AnUnknownOneListsTheKnown) {
  try {
    find_format("onnx");
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), AllOf(HasSubstr("unknown format 'onnx'"), HasSubstr("hf, gguf")));
  }
}

}  // namespace
}  // namespace mop
