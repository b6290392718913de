#include "export/hf_writer.h"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/resource.h>

#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "export/hf_tokenizer.h"
#include "kit/cpu_time.h"
#include "kit/random_model.h"
#include "unit/export/pruned.h"

namespace mop {
namespace {
namespace fs = std::filesystem;
using mop::testing::prune_by_hand;
using mop::testing::RandomModel;
using mop::testing::TempFolder;
using ::testing::AllOf;
using ::testing::HasSubstr;

std::vector<std::string> files_in(const fs::path& folder) {
  std::vector<std::string> names;
  for (const auto& item : fs::directory_iterator(folder)) names.push_back(item.path().filename());
  std::sort(names.begin(), names.end());
  return names;
}

class HfWriter : public ::testing::Test {
 protected:
  void SetUp() override { fs::create_directory(out()); }
  Model make(const RandomModel& what = {}) {
    write_random_model(source(), what);
    return Model::open(source());
  }
  fs::path source() const { return folder_.path() / "source"; }
  fs::path out() const { return folder_.path() / "out"; }
  std::string error_of_write(const Model& model) const {
    try {
      write_hf(model, out());
    } catch (const Error& e) {
      return e.what();
    }
    return "was written";
  }

 private:
  TempFolder folder_;
};

TEST_F(HfWriter, AnUnprunedModelKeepsEveryTensor) {
  const Model model = make();
  write_hf(model, out());
  verify_written(out(), model);
  const auto copy = Checkpoint::open(out());
  ASSERT_EQ(copy->names(), model.checkpoint().names());
  for (const std::string& name : copy->names()) {
    EXPECT_TRUE(at::equal(copy->tensor(name), model.checkpoint().tensor(name))) << name;
  }
  EXPECT_EQ(SafetensorsFile::open(out() / "model.safetensors").metadata().at("format"), "pt");
}

// Every reader then takes it, whatever it does with a tied config.
TEST_F(HfWriter, AHeadThatIsNotTheEmbeddingIsWrittenAndNoLongerTied) {
  make({.tied = true});
  std::map<std::string, at::Tensor> tensors;
  {
    const SafetensorsFile file = SafetensorsFile::open(source() / "model.safetensors");
    for (const auto& [name, entry] : file.entries()) tensors[name] = file.tensor(name).clone();
  }
  tensors["lm_head.weight"] = at::rand({96, 32});
  write_safetensors(source() / "model.safetensors", tensors);
  const Model model = prune_by_hand(Model::open(source()));
  write_hf(model, out());
  verify_written(out(), model);
  EXPECT_EQ(read_json(out() / "config.json")["tie_word_embeddings"], false);
  EXPECT_TRUE(
      at::equal(Checkpoint::open(out())->tensor("lm_head.weight"), tensors.at("lm_head.weight")));
  EXPECT_TRUE(Model::open(out()).config().notes.empty());
}

TEST_F(HfWriter, APrunedModelOfEveryFamilyIsReadBackEqual) {
  for (const Family& family : all_families()) {
    for (const bool tied : {false, true}) {
      for (const char* dtype : {"float32", "bfloat16", "float16"}) {
        const Model model = prune_by_hand(make({.family = std::string(family.model_type),
                                                .kv_heads = 4,
                                                .tied = tied,
                                                .dtype = dtype}));
        fs::remove_all(out());
        fs::create_directory(out());
        write_hf(model, out());
        verify_written(out(), model);
        EXPECT_EQ(Model::open(out()).num_layers(), 3);
      }
    }
  }
}

TEST_F(HfWriter, LayersAreNumberedFromZeroWithoutGaps) {
  const Model model = make();
  write_hf(prune_by_hand(model, 1), out());
  const auto copy = Checkpoint::open(out());
  EXPECT_TRUE(copy->has("model.layers.2.mlp.up_proj.weight"));
  EXPECT_FALSE(copy->has("model.layers.3.mlp.up_proj.weight"));
  EXPECT_TRUE(at::equal(copy->tensor("model.layers.1.input_layernorm.weight"),
                        model.checkpoint().tensor("model.layers.2.input_layernorm.weight")));
}

TEST_F(HfWriter, ChangedTensorsAreWrittenAsChanged) {
  Model model = make();
  std::vector<Layer> layers = model.layers();
  layers[1].changed[Role::kDown] = at::full({32, 48}, 0.5f);
  model = model.with_layers(layers).with_global(GlobalRole::kFinalNorm, at::full({32}, 2.0f));
  write_hf(model, out());
  verify_written(out(), model);
  const auto copy = Checkpoint::open(out());
  EXPECT_TRUE(
      at::equal(copy->tensor("model.layers.1.mlp.down_proj.weight"), at::full({32, 48}, 0.5f)));
  EXPECT_TRUE(at::equal(copy->tensor("model.norm.weight"), at::full({32}, 2.0f)));
}

TEST_F(HfWriter, LargeModelsAreCutIntoShardsWithAnIndex) {
  const Model model = make();
  write_hf(model, out(), {.shard_bytes = 40000});
  verify_written(out(), model);
  const Json index = read_json(out() / "model.safetensors.index.json");
  EXPECT_EQ(index["metadata"]["total_size"], model.checkpoint().bytes());
  EXPECT_EQ(index["metadata"]["total_parameters"], total_parameters(model.config()));
  const auto names = files_in(out());
  const auto shards = std::count_if(names.begin(), names.end(), [](const std::string& name) {
    return name.ends_with(".safetensors");
  });
  ASSERT_GT(shards, 2);
  for (int64_t i = 1; i <= shards; ++i) {
    const fs::path shard = out() / fmt::format("model-{:05}-of-{:05}.safetensors", i, shards);
    ASSERT_TRUE(fs::exists(shard));
    EXPECT_LT(fs::file_size(shard), 40000u + 4096u);
  }
  EXPECT_EQ(index["weight_map"]["model.embed_tokens.weight"],
            fmt::format("model-00001-of-{:05}.safetensors", shards));
}

TEST_F(HfWriter, TheSameModelGivesTheSameBytes) {
  const Model model = prune_by_hand(make());
  const fs::path again = out() / "again";
  fs::create_directory(again);
  write_hf(model, out(), {.shard_bytes = 20000});
  write_hf(model, again, {.shard_bytes = 20000});
  for (const std::string& name : files_in(again)) {
    EXPECT_EQ(read_file(out() / name), read_file(again / name)) << name;
  }
}

TEST_F(HfWriter, TokenizerLicenceAndGenerationFilesAreCopiedUnchanged) {
  const Model model = make();
  const std::map<std::string, std::string> files = {
      {"tokenizer.json", "{ }\n"},
      {"tokenizer.model", std::string("\0\x01", 2)},
      {"tokenizer_config.json", "{}"},
      {"special_tokens_map.json", "{}"},
      {"generation_config.json", "{\"x\":  1}"},
      {"LICENSE", "l"},
      {"license.txt", "l2"},
      {"Notice", "n"},
      {"USE_POLICY.md", "u"},
      {"additional_chat_templates/tool_use.jinja", "t"}};
  fs::create_directory(source() / "additional_chat_templates");
  for (const auto& [name, text] : files) write_file(source() / name, text);
  for (const char* other : {"README.md", "training_args.bin", "model.gguf"})
    write_file(source() / other, "x");
  write_hf(model, out(), {.model_card = "# Card"});
  for (const auto& [name, text] : files) EXPECT_EQ(read_file(out() / name), text) << name;
  EXPECT_EQ(read_file(out() / "README.md"), "# Card");
  EXPECT_FALSE(fs::exists(out() / "training_args.bin"));
  EXPECT_EQ(files_in(out()).size(), files.size() + 3);
}

// transformers 4 knows neither the class nor a list of extra tokens.
TEST_F(HfWriter, ATokenizerSavedByTransformers5IsNamedAsBothVersionsKnowIt) {
  const Model model = make();
  write_file(
      source() / "tokenizer_config.json",
      R"({"bos_token": "<s>", "extra_special_tokens": ["<a>"], "tokenizer_class": "TokenizersBackend"})");
  write_hf(model, out());
  EXPECT_EQ(
      read_json(out() / "tokenizer_config.json").dump(),
      R"({"bos_token":"<s>","additional_special_tokens":["<a>"],"tokenizer_class":"PreTrainedTokenizerFast"})");
}

TEST(HfTokenizer, AConfigOfManyKeysIsRenamedInTimeInProportion) {
  const auto rename = [](int count) {
    Json::object_t config = {{"extra_special_tokens", Json::array()}};
    for (int i = 0; i < count; ++i) config.push_back({std::to_string(i), i});
    EXPECT_NE(portable_tokenizer_config(Json(config).dump()).find("additional_special_tokens"),
              std::string::npos);
  };
  EXPECT_LT(testing::growth(rename, 4000), 10);
}

TEST_F(HfWriter, ATokenizerConfigThatBothVersionsKnowKeepsItsBytes) {
  const Model model = make();
  const std::string text =
      "{\"tokenizer_class\" : \"LlamaTokenizer\", \"extra_special_tokens\": {\"image\": "
      "\"<i>\"}}\n";
  write_file(source() / "tokenizer_config.json", text);
  write_hf(model, out());
  EXPECT_EQ(read_file(out() / "tokenizer_config.json"), text);
}

TEST_F(HfWriter, TheModelCardTellsWhatReadersMustKnow) {
  write_hf(make({.heads = 3, .kv_heads = 3}), out(), {.model_card = "# Card\n"});
  EXPECT_THAT(read_file(out() / "README.md"),
              AllOf(HasSubstr("# Card\n\nNote: "), HasSubstr("mistral")));
}

// transformers 5 chooses a tokenizer by the model's type: as a Mistral it needs a tokenizer.json.
TEST_F(HfWriter, AnAliasGetsATokenizerJsonUnlessThereIsOne) {
  const Model dividing = make();
  write_file(source() / "tokenizer.model", read_file(testing::demo_model() / "tokenizer.model"));
  write_hf(dividing, out());
  EXPECT_FALSE(fs::exists(out() / "tokenizer.json"));
  const Model alias = make({.heads = 3, .kv_heads = 3});
  write_hf(alias, out());
  EXPECT_EQ(read_json(out() / "tokenizer.json")["model"]["type"], "BPE");
  // With code of its own the tokenizer is found by its class, as for the source.
  const testing::TempFolder other;
  std::vector<Layer> layers = alias.layers();
  layers[1].neurons.pop_back();
  write_hf(alias.with_layers(layers), other.path());
  EXPECT_FALSE(fs::exists(other.path() / "tokenizer.json"));
  write_file(source() / "tokenizer.json", "{\"given\": 1}");
  write_hf(alias, out());
  EXPECT_EQ(read_file(out() / "tokenizer.json"), "{\"given\": 1}");
}

// Sizes that differ, missing halves and added biases come back as they were written.
TEST_F(HfWriter, LayersThatDifferComeBack) {
  Model model = make().with_biases(true, true);
  std::vector<Layer> layers = model.layers();
  layers[0].heads = layers[0].kv_heads = {};
  layers[2].neurons.resize(7);
  for (Layer& layer : layers) {
    if (!layer.heads.empty()) layer.changed[Role::kOutputBias] = at::full({32}, 0.5);
    layer.changed[Role::kDownBias] = at::full({32}, -0.25);
  }
  model = model.with_layers(layers);
  write_hf(model, out());
  verify_written(out(), model);
  EXPECT_THAT(read_file(out() / "modeling_per_layer_llama.py"),
              HasSubstr("class PerLayerLlamaForCausalLM(LlamaForCausalLM)"));
  const Model again = Model::open(out());
  EXPECT_TRUE(again.config().output_bias && again.config().down_bias);
  EXPECT_EQ(again.config().layers, model.config().layers);
}

// transformers 4 does not know our model types, so it finds a tokenizer by its class's name alone.
TEST_F(HfWriter, AModelTypeOfOursNamesItsTokenizersClassUnlessTheSourceDoes) {
  const auto written_class = [&](const char* tokenizer_config) {
    const Model model = make();
    write_file(model.checkpoint().folder() / "tokenizer.json", "{}");
    write_file(model.checkpoint().folder() / "tokenizer_config.json", tokenizer_config);
    std::vector<Layer> layers = model.layers();
    layers[2].neurons.resize(7);
    write_hf(model.with_layers(layers), out());
    return read_json(out() / "config.json").value("tokenizer_class", Json());
  };
  EXPECT_EQ(written_class("{}"), "LlamaTokenizer");
  EXPECT_EQ(written_class(R"({"tokenizer_class": "PreTrainedTokenizerFast"})"), nullptr);
}

TEST_F(HfWriter, EveryFamilyHasItsOwnCode) {
  for (const auto& [family, name] :
       {std::pair{"mistral", "Mistral"}, {"qwen2", "Qwen2"}, {"qwen3", "Qwen3"}}) {
    const Model dense = make({.family = family});
    std::vector<Layer> layers = dense.layers();
    layers[1].neurons.pop_back();
    const Model model = dense.with_layers(layers);
    const testing::TempFolder folder;
    write_hf(model, folder.path());
    verify_written(folder.path(), model);
    const std::string code =
        read_file(folder.path() / fmt::format("modeling_per_layer_{}.py", family));
    EXPECT_THAT(code,
                HasSubstr(fmt::format("from transformers.models.{}.modeling_{}", family, family)));
    EXPECT_THAT(code, HasSubstr(fmt::format("class PerLayer{}Model({}Model)", name, name)));
    EXPECT_THAT(code, ::testing::Not(HasSubstr("llama")));
  }
}

// The alias gets both: what computes it in old versions, and a tokenizer that gives LLaMA's ids.
TEST_F(HfWriter, AScaledMistralHasCodeForOldVersions) {
  const Model model = make({.heads = 3,
                            .kv_heads = 3,
                            .extra = R"({"rope_scaling":{"rope_type":"linear","factor":2.0}})"});
  write_hf(model, out());
  verify_written(out(), model);
  EXPECT_THAT(read_file(out() / "modeling_scaled_mistral.py"),
              HasSubstr("class ScaledMistralForCausalLM("));
  const Model again = Model::open(out());
  const testing::TempFolder second;
  write_hf(again, second.path());
  EXPECT_TRUE(fs::exists(second.path() / "modeling_scaled_mistral.py"));
}

TEST_F(HfWriter, AModelThatCannotBeExpressedLeavesTheFolderEmpty) {
  EXPECT_THAT(error_of_write(make().with_layers({})), HasSubstr("a model without layers"));
  EXPECT_TRUE(fs::is_empty(out()));
}

// A limit on file sizes stands for the disk that fills up half way.
TEST_F(HfWriter, AWriteThatFailsLeavesTheFolderEmpty) {
  const Model model = make();
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit limit{30000, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &limit);
  const std::string text = error_of_write(model);
  ::setrlimit(RLIMIT_FSIZE, &before);
  EXPECT_THAT(text, AllOf(HasSubstr("cannot write"), HasSubstr("model.safetensors")));
  EXPECT_TRUE(fs::is_empty(out()));
}

TEST_F(HfWriter, AFullDiskIsKnownBeforeTheWork) {
  const Model model = make();
  if (::mount("tmpfs", out().c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "skipped: mounting a small disk needs root";
  }
  const std::string text = error_of_write(model);
  const bool empty = fs::is_empty(out());
  ::umount(out().c_str());
  EXPECT_THAT(text, AllOf(HasSubstr("kB free, but 16."), HasSubstr("hint:")));
  EXPECT_TRUE(empty);
}

TEST_F(HfWriter, SaysHowMuchRoomItNeeds) {
  const Model model = make();
  write_hf(model, out(), {.model_card = "card"});
  int64_t used = 0;
  for (const auto& item : fs::directory_iterator(out()))
    used += static_cast<int64_t>(item.file_size());
  EXPECT_GE(hf_bytes(model), used);
  EXPECT_LT(hf_bytes(model), used + (20 << 20));
}

TEST_F(HfWriter, VerifyNamesATensorWhoseBytesWereDamaged) {
  const Model model = make();
  write_hf(model, out());
  const TensorEntry entry = Checkpoint::open(out())->entry("model.layers.2.mlp.up_proj.weight");
  std::fstream file(out() / "model.safetensors", std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(entry.end - 1));
  file.put('\x7e');
  file.close();
  try {
    verify_written(out(), model);
    FAIL();
  } catch (const Error& e) {
    EXPECT_THAT(e.what(), HasSubstr("model.layers.2.mlp.up_proj.weight differs"));
  }
}

TEST_F(HfWriter, VerifyNoticesAnotherModel) {
  const Model model = make();
  write_hf(prune_by_hand(model), out());
  EXPECT_THROW(verify_written(out(), model), Error);
}

// Results are published: a link in a stranger's folder must not bring a file of the user's along.
TEST_F(HfWriter, CopiesNothingThroughALinkOutOfTheFolder) {
  const Model model = make();
  fs::create_symlink("/etc/hostname", source() / "LICENSE");
  EXPECT_THAT(error_of_write(model), AllOf(HasSubstr("a link leads out of the model's folder"),
                                           HasSubstr("LICENSE"), HasSubstr("/etc/hostname")));
  EXPECT_THAT(files_in(out()), ::testing::IsEmpty());
  fs::remove(source() / "LICENSE");
  write_file(source() / "terms.txt", "x");
  fs::create_symlink("terms.txt", source() / "LICENSE");
  write_hf(model, out());
  EXPECT_EQ(read_file(out() / "LICENSE"), "x");
}

}  // namespace
}  // namespace mop
