// A vision-language model as a user has it: pictures in prompts, calibration and training data, the
// language model pruned, everything else as it was.
#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <fmt/format.h>

#include <algorithm>
#include <fstream>

#include "checkpoint/checkpoint.h"
#include "e2e/program.h"
#include "model/composite.h"
#include "model/model.h"
#include "text/tokenizer.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

const fs::path kPictures = fs::path(MOP_SOURCE_DIR) / "tests/golden/vision/pictures";

// The embedded model behind a tower and a projector of random weights: 4 tokens a picture.
class Llava : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = std::make_unique<TempFolder>();
    fs::create_directories(model());
    write_config();
    write_tensors();
    write_texts();
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static fs::path path(const std::string& name) { return folder_->path() / name; }
  static fs::path model() { return path("model"); }

  static void write_config() {
    Json text = read_json(demo_model() / "config.json");
    text["vocab_size"] = 2056;
    const Json config = {{"model_type", "llava"},
                         {"architectures", {"LlavaForConditionalGeneration"}},
                         {"image_token_index", 2048},
                         {"torch_dtype", "bfloat16"},
                         {"text_config", text},
                         {"vision_config",
                          {{"model_type", "clip_vision_model"},
                           {"hidden_size", 16},
                           {"intermediate_size", 24},
                           {"num_hidden_layers", 2},
                           {"num_attention_heads", 2},
                           {"image_size", 8},
                           {"patch_size", 4}}}};
    write_file(model() / "config.json", to_text(config));
    write_file(model() / "preprocessor_config.json",
               R"({"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 8},
                   "crop_size": {"height": 8, "width": 8}})");
    fs::copy_file(demo_model() / "tokenizer.model", model() / "tokenizer.model");
    Json tokenizer = read_json(demo_model() / "tokenizer_config.json");
    tokenizer["added_tokens_decoder"] = {{"2048", {{"content", "<image>"}, {"special", true}}}};
    tokenizer["chat_template"] =
        "{% for m in messages %}{{ m.role }}: {% for p in m.content | selectattr('type', "
        "'equalto', 'image') %}<image>\n{% endfor %}{% for p in m.content | selectattr('type', "
        "'equalto', 'text') %}{{ p.text }} {% endfor %}{% endfor %}"
        "{% if add_generation_prompt %}assistant:{% endif %}";
    write_file(model() / "tokenizer_config.json", to_text(tokenizer));
  }

  static void write_tensors() {
    at::Generator generator = at::detail::createCPUGenerator(5);
    std::map<std::string, at::Tensor> tensors;
    const auto source = Checkpoint::open(demo_model());
    for (const std::string& name : source->names()) {
      at::Tensor tensor = source->tensor(name);
      const bool of_words = name == "lm_head.weight" || name == "model.embed_tokens.weight";
      if (of_words) tensor = at::cat({tensor, at::zeros({8, 192}, tensor.options())});
      tensors["language_model." + name] = tensor;
    }
    const ModelConfig config = parse_config(read_json(model() / "config.json"), "config.json");
    for (const OutsidePart& part : config.composite->parts) {
      for (const OutsideTensor& tensor : part.tensors)
        tensors[tensor.name] = at::randn(tensor.shape, generator, at::kFloat).mul_(0.3);
    }
    write_safetensors(model() / "model.safetensors", tensors, {{"format", "pt"}});
  }

  static void write_texts() {
    std::ofstream seen(path("seen.jsonl")), told(path("told.jsonl"));
    const std::array<const char*, 4> files = {"rgb.png", "grey.png", "420.jpg", "palette.png"};
    for (int i = 0; i < 24; ++i) {
      const Json turns = {
          {{"from", "human"}, {"value", fmt::format("<image>\nwhat did lily see {}?", i)}},
          {{"from", "gpt"}, {"value", "she saw a big dog."}}};
      seen << Json({{"image", files[static_cast<size_t>(i) % 4]}, {"conversations", turns}}).dump()
           << "\n";
      told << Json({{"question", "who was sad?"},
                    {"choices", {"the dog", "the cat"}},
                    {"answer", 0}})
                  .dump()
           << "\n";
    }
  }

  static Args prune(const fs::path& out, const std::string& texts, const Args& more) {
    Args args = {"prune",    model().string(),   "--calibration", path(texts).string(),
                 "--images", kPictures.string(), "--samples",     "16",
                 "--out",    out.string(),       "--of",          "blocks",
                 "--select", "path:LGG",         "--remove",      "0.2"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }

  static Args prune_tower(const fs::path& out, const std::string& texts, const Args& more) {
    Args args = {"prune",    model().string(),   "--calibration", path(texts).string(),
                 "--images", kPictures.string(), "--samples",     "16",
                 "--out",    out.string(),       "--remove",      "0.3"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  }

  static void expect_parts_are_the_same(const fs::path& out) {
    const auto before = Checkpoint::open(model()), after = Checkpoint::open(out);
    int64_t count = 0;
    for (const std::string& name : before->names()) {
      if (name.starts_with("model.") || name.starts_with("lm_head.")) continue;
      EXPECT_TRUE(at::equal(before->tensor(name), after->tensor(name))) << name;
      ++count;
    }
    EXPECT_EQ(count, 7 + 2 * 16 + 4);
  }

  inline static std::unique_ptr<TempFolder> folder_;
};

TEST_F(Llava, IsInspectedWithItsParts) {
  const Json about = run({"inspect", model().string(), "--json"}).json();
  EXPECT_EQ(about["composite"]["name"], "llava-1.5");
  EXPECT_EQ(about["composite"]["tokens_of_image"], 4);
  EXPECT_EQ(about["composite"]["parts"][0]["name"], "vision tower");
  EXPECT_THAT(run({"inspect", model().string()}).out, HasSubstr("vision tower"));
}

TEST_F(Llava, IsPrunedOnPicturesAndReplayedToTheSameBytes) {
  const fs::path out = path("pruned");
  const Ran ran = run(prune(out, "seen.jsonl", {"--json"}));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  expect_parts_are_the_same(out);
  EXPECT_TRUE(fs::exists(out / "preprocessor_config.json"));
  EXPECT_TRUE(read_json(out / "run/manifest.json").contains("pictures"));
  // Four rows stand where a word stood.
  const Json list = read_json(out / "run/samples.json")["calibration"]["list"];
  const auto tokenizer = open_tokenizer(model());
  const std::string words = "user: <image>\nwhat did lily see 0? assistant: she saw a big dog. ";
  EXPECT_EQ(list[0]["tokens"], tokenizer->encode(words, Special::kDefault).size() + 3);
  const fs::path again = path("again");
  const Ran replay = run({"prune", model().string(), "--plan", (out / "run/plan.json").string(),
                          "--out", again.string()});
  ASSERT_EQ(replay.exit, 0) << replay.err;
  EXPECT_EQ(read_file(again / "model.safetensors"), read_file(out / "model.safetensors"));
  const Ran resumed = run(prune(out, "seen.jsonl", {"--resume"}));
  EXPECT_THAT(resumed.err, HasSubstr("nothing to do"));
}

TEST_F(Llava, OtherPicturesOfTheSameNamesAreAnotherRun) {
  const fs::path images = path("images"), out = path("other");
  fs::copy(kPictures, images);
  Args args = prune(out, "seen.jsonl", {});
  args[5] = images.string();
  ASSERT_EQ(run(args).exit, 0);
  fs::copy_file(images / "grey.png", images / "rgb.png", fs::copy_options::overwrite_existing);
  args.push_back("--resume");
  EXPECT_THAT(run(args).err, HasSubstr("pictures.sha256"));
  // And another figure: what is seen is what the file holds.
  args.pop_back();
  *std::ranges::find(args, out.string()) = path("other-again").string();
  ASSERT_EQ(run(args).exit, 0);
  const auto perplexity = [&](const std::string& name) {
    return read_json(path(name) / "run/metrics.json")["figures"]["dense"]["perplexity"];
  };
  EXPECT_NE(perplexity("other"), perplexity("other-again"));
}

TEST_F(Llava, IsPrunedAndRepairedOnTextAlone) {
  const fs::path out = path("told");
  Args args = prune(out, "told.jsonl", {});
  args.resize(args.size() - 4);  // the default method
  args.insert(args.end(), {"--remove", "0.2"});
  const Ran ran = run(args);
  ASSERT_EQ(ran.exit, 0) << ran.err;
  expect_parts_are_the_same(out);
  EXPECT_FALSE(read_json(out / "run/manifest.json").contains("pictures"));
}

TEST_F(Llava, RecoversOnPicturesAndOnText) {
  for (const char* method : {"lora", "full", "distil"}) {
    const fs::path out = path(std::string("recovered-") + method);
    Args args = {"recover",  model().string(),
                 "--data",   path("seen.jsonl").string(),
                 "--images", kPictures.string(),
                 "--out",    out.string(),
                 "--tokens", "600",
                 "--method", method,
                 "--set",    "accumulate=2",
                 "--set",    "learning_rate=1e-3",
                 "--set",    "validation.samples=4",
                 "--json"};
    if (method == std::string("distil")) args.insert(args.end(), {"--teacher", model().string()});
    const Ran ran = run(args);
    ASSERT_EQ(ran.exit, 0) << ran.err;
    const Json outcome = ran.json()["outcome"];
    // What learns from its own copy has nothing to gain.
    if (method != std::string("distil")) {
      EXPECT_LT(outcome["nll_best"].get<double>(), outcome["nll_before"].get<double>()) << method;
    }
    expect_parts_are_the_same(out);
  }
  std::ofstream(path("alpaca.jsonl")) << R"({"instruction": "say", "output": "a dog"})"
                                      << "\n"
                                      << R"({"instruction": "say", "output": "a cat"})"
                                      << "\n";
  const Ran text = run({"recover", model().string(), "--data", path("alpaca.jsonl").string(),
                        "--out", path("from-text").string(), "--tokens", "60"});
  ASSERT_EQ(text.exit, 0) << text.err;
  expect_parts_are_the_same(path("from-text"));
}

TEST_F(Llava, GeneratesFromPictures) {
  const auto generate = [&](const std::string& picture, const Args& more) {
    Args args = {
        "generate", model().string(), "--image", (kPictures / picture).string(), "--max-new-tokens",
        "8",        "--json"};
    args.insert(args.end(), more.begin(), more.end());
    const Ran ran = run(args);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return ran.json();
  };
  const Json chat = generate("rgb.png", {"--chat", "--prompt", "lily"});
  EXPECT_EQ(chat["prompt"], "user: <image>\nlily assistant:");
  const Json plain = generate("rgb.png", {"--prompt", "user: <image>\nlily assistant:"});
  EXPECT_EQ(plain["ids"], chat["ids"]);
  const Json other = generate("cmyk.jpg", {"--prompt", "user: <image>\nlily assistant:"});
  EXPECT_EQ(plain["prompt_tokens"], other["prompt_tokens"]);
}

TEST_F(Llava, BadInputGetsOneClearError) {
  const auto error = [&](const Args& more) {
    Args args = {"generate", model().string(), "--max-new-tokens", "2"};
    args.insert(args.end(), more.begin(), more.end());
    const Ran ran = run(args);
    EXPECT_EQ(ran.exit, 1) << ran.out;
    return ran.err;
  };
  const std::string picture = (kPictures / "rgb.png").string();
  const std::string bytes = read_file(picture);
  write_file(path("cut.png"), bytes.substr(0, bytes.size() / 2));
  write_file(path("film.gif"), "GIF89a\x01\x01");
  EXPECT_THAT(error({"--prompt", "<image> alone"}), HasSubstr("0 images are given"));
  EXPECT_THAT(error({"--prompt", "no place", "--image", picture}), HasSubstr("no image token"));
  EXPECT_THAT(error({"--prompt", "<image> <image>", "--image", picture}),
              HasSubstr("2 image tokens (id 2048), and 1 image is given"));
  EXPECT_THAT(error({"--prompt", "<image>", "--image", picture, "--image", picture}),
              HasSubstr("1 image token (id 2048), and 2 images are given"));
  EXPECT_THAT(error({"--prompt", "<image>", "--image", path("cut.png").string()}),
              HasSubstr("cut.png"));
  EXPECT_THAT(error({"--prompt", "<image>", "--image", path("film.gif").string()}),
              HasSubstr("GIF"));
  EXPECT_THAT(error({"--prompt", "<image>", "--image", path("absent.png").string()}),
              HasSubstr("absent.png"));
}

TEST_F(Llava, DataThatNamesPicturesElsewhereIsRefused) {
  for (const std::string name : {"/etc/hostname", "../model/config.json", "absent.png"}) {
    write_file(path("bad.jsonl"), Json({{"image", name}, {"text", "<image> a dog"}}).dump() + "\n");
    const Ran ran = run(prune(path("never"), "bad.jsonl", {}));
    EXPECT_EQ(ran.exit, 1) << ran.out;
    EXPECT_THAT(ran.err, HasSubstr(name));
    EXPECT_THAT(ran.err, HasSubstr("folder"));
    EXPECT_FALSE(fs::exists(path("never")));
  }
}

TEST_F(Llava, ALanguageModelAloneReadsNoPictures) {
  write_file(path("plain.jsonl"),
             Json({{"image", "rgb.png"}, {"text", "<image> a dog"}}).dump() + "\n");
  Args args = prune(path("never"), "plain.jsonl", {});
  args[1] = demo_model().string();
  const Ran ran = run(args);
  EXPECT_EQ(ran.exit, 1) << ran.out;
  EXPECT_THAT(ran.err, HasSubstr("the model does not read pictures"));
}

TEST_F(Llava, ItsTowerIsPrunedReplayedAndContinuedToTheSameBytes) {
  const fs::path out = path("tower"), again = path("tower-again");
  const Args args = prune_tower(out, "seen.jsonl", {"--set", "vision.criterion=mope"});
  const Ran ran = run(args);
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json plan = read_json(out / "run/plan.json");
  EXPECT_EQ(plan["version"], 4);
  EXPECT_TRUE(plan["steps"][0]["layers"].empty());
  const Json metrics = read_json(out / "run/steps/01/metrics.json");
  EXPECT_NEAR(metrics["tower_removed_fraction"].get<double>(), 0.3, 0.05);
  EXPECT_EQ(metrics["block_removed_fraction"], 0);
  const std::string page = read_file(out / "run/report.html");
  const ModelConfig dense = Model::open(model()).config();
  const std::vector<LayerShape>& tower = dense.composite->tower.layers;
  for (size_t i = 0; i < tower.size(); ++i) {
    const Json& left = metrics["tower"][i];
    EXPECT_THAT(page, HasSubstr(fmt::format("layer {}: {} of {} heads left", i,
                                            left["heads"].get<int64_t>(), tower[i].heads)));
    EXPECT_THAT(page, HasSubstr(fmt::format("layer {}: {} of {} neurons left", i,
                                            left["mlp"].get<int64_t>(), tower[i].mlp)));
  }
  // The language model is as it was, the layer that nobody computes is gone.
  const auto before = Checkpoint::open(model()), after = Checkpoint::open(out);
  EXPECT_TRUE(at::equal(before->tensor("model.layers.3.mlp.up_proj.weight"),
                        after->tensor("model.layers.3.mlp.up_proj.weight")));
  EXPECT_FALSE(after->has("vision_tower.encoder.layers.1.mlp.fc1.weight"));
  EXPECT_EQ(read_json(out / "config.json")["vision_feature_layer"], -1);
  EXPECT_NE(read_json(out / "run/metrics.json")["figures"]["pruned"]["kl"], 0);
  const Ran replay = run({"prune", model().string(), "--plan", (out / "run/plan.json").string(),
                          "--out", again.string()});
  ASSERT_EQ(replay.exit, 0) << replay.err;
  EXPECT_EQ(read_file(again / "model.safetensors"), read_file(out / "model.safetensors"));
  const Ran eval = run({"generate", out.string(), "--image", (kPictures / "rgb.png").string(),
                        "--prompt", "user: <image>\nlily", "--max-new-tokens", "2"});
  EXPECT_EQ(eval.exit, 0) << eval.err;
  const Ran gguf =
      run({"export", out.string(), "--format", "gguf", "--out", path("t.gguf").string()});
  EXPECT_EQ(gguf.exit, 1);
  EXPECT_THAT(gguf.err, HasSubstr("mmproj"));
}

// Steps of both kinds; an interrupted run goes on with what the cut tower sees.
TEST_F(Llava, ItsTowerIsOneBranchOfAMixture) {
  const auto mix = [&](const fs::path& out, const Args& more) {
    Args args = {"prune",         model().string(),
                 "--calibration", path("seen.jsonl").string(),
                 "--images",      kPictures.string(),
                 "--samples",     "16",
                 "--out",         out.string(),
                 "--set",         "branches=[width,vision]",
                 "--select",      "path:VGG",
                 "--remove",      "0.0006",
                 "--rounds",      "3",
                 "--set",         "vision.criterion=wanda-sp"};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  };
  const fs::path whole = path("mix"), broken = path("mix-broken");
  const Ran ran = run(mix(whole, {}));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json steps = read_json(whole / "run/plan.json")["steps"];
  ASSERT_GE(steps.size(), 2u);  // the idle layer comes on top of the first
  EXPECT_EQ(steps[0]["branch"], "vision");
  EXPECT_EQ(steps[1]["branch"], "width");
  Process process(mix(broken, {}));
  wait_for(process, path("mix-broken.partial") / "run/steps/01/plan.json");
  process.send(SIGKILL);
  process.wait();
  const Ran resumed = run(mix(broken, {"--resume"}));
  ASSERT_EQ(resumed.exit, 0) << resumed.err;
  EXPECT_EQ(read_file(broken / "model.safetensors"), read_file(whole / "model.safetensors"));
  EXPECT_EQ(read_json(broken / "run/plan.json")["steps"], steps);
}

TEST_F(Llava, ATowerThatNoSampleShowsIsNotMeasured) {
  const Ran measured =
      run(prune_tower(path("never"), "told.jsonl", {"--set", "vision.criterion=amp"}));
  EXPECT_NE(measured.exit, 0);
  EXPECT_THAT(measured.err, HasSubstr("no calibration sample has one"));
  const Ran judged = run(prune_tower(path("never"), "told.jsonl",
                                     {"--set", "vision.criterion=magnitude", "--set",
                                      "branches=[width,vision]", "--select", "kl", "--of", "all"}));
  EXPECT_THAT(judged.err, HasSubstr("none has an image"));
  EXPECT_FALSE(fs::exists(path("never")));
  const Ran noted =
      run(prune_tower(path("unseen"), "told.jsonl", {"--set", "vision.criterion=magnitude"}));
  ASSERT_EQ(noted.exit, 0) << noted.err;
  EXPECT_THAT(noted.err, HasSubstr("no held-out sample has an image"));
}

}  // namespace
}  // namespace mop::testing
