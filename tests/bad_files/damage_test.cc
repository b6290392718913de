// Good files damaged at random: whatever a reader makes of them, it reads them or throws the one
// kind of error, and never one that says the fault is ours. MOP_DAMAGES is how often each file is
// damaged; the n-th damage is the same everywhere. After a crash the damaged file is still in the
// temporary folder.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "base/random.h"
#include "checkpoint/safetensors.h"
#include "export/gguf_writer.h"
#include "kit/random_model.h"
#include "model/model.h"
#include "plan/accounting.h"
#include "plan/plan.h"
#include "recipe/recipe.h"
#include "text/chat_template.h"
#include "text/samples.h"
#include "text/tokenizer.h"
#include "vision/image_processor.h"

namespace mop {
namespace {
namespace fs = std::filesystem;

// A kind of file: how a good one comes to be in a folder, and what reads it.
struct Kind {
  std::string name;
  fs::path (*make)(const fs::path& folder);
  void (*read)(const fs::path& file);
};

void PrintTo(const Kind& kind, std::ostream* out) { *out << kind.name; }

fs::path tokenizer_file(const fs::path& folder, const std::string& of, const std::string& file) {
  fs::copy_file(fs::path(MOP_SOURCE_DIR) / "tests/golden/tokenizers" / of / file, folder / file);
  return folder / file;
}

template <size_t kSize>
fs::path text_file(const fs::path& file, const char (&text)[kSize]) {
  write_file(file, {text, kSize - 1});
  return file;
}

fs::path model_file(const fs::path& folder, const char* file) {
  testing::RandomModel what;
  what.layers = 2;
  what.extra = R"({"rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 32}, "eos_token_id": [1, 2],
    "per_layer_config": {"1": {"intermediate_size": 48}}})";
  testing::write_random_model(folder, what);
  return folder / file;
}

fs::path gguf_file(const fs::path& folder) {
  const fs::path tokenizer = tokenizer_file(folder, "sentencepiece-small", "tokenizer.model");
  testing::RandomModel what;
  what.layers = 1;
  what.vocab = open_tokenizer(tokenizer)->vocab();
  testing::write_random_model(folder, what);
  write_gguf(Model::open(folder), folder / "m.gguf", {});
  return folder / "m.gguf";
}

void read_model(const fs::path& file) {
  const Model model = Model::open(file.extension() == ".gguf" ? file : file.parent_path());
  EXPECT_GT(total_parameters(model.config()), 0);
}

fs::path index_file(const fs::path& folder) {
  const fs::path weights = model_file(folder, "model.safetensors");
  Json map = Json::object();
  const SafetensorsFile file = SafetensorsFile::open(weights);
  for (const auto& [name, entry] : file.entries()) map[name] = "a.safetensors";
  fs::rename(weights, folder / "a.safetensors");
  write_file(folder / "model.safetensors.index.json", to_text(Json{{"weight_map", map}}));
  return folder / "model.safetensors.index.json";
}

void read_config(const fs::path& file) {
  const ModelConfig config = parse_config(read_json(file), file.string());
  EXPECT_GT(total_parameters(config), 0);
}

void read_safetensors(const fs::path& file) {
  const SafetensorsFile tensors = SafetensorsFile::open(file);
  for (const auto& [name, entry] : tensors.entries()) {
    EXPECT_EQ(tensors.tensor(name).nbytes(), entry.end - entry.begin);
  }
}

void read_gguf(const fs::path& file) {
  const GgufFile gguf = GgufFile::open(file);
  for (const auto& [name, tensor] : gguf.tensors()) EXPECT_GE(gguf.tensor(tensor).dim(), 0);
}

fs::path picture_file(const fs::path& folder, const char* name) {
  fs::copy_file(fs::path(MOP_SOURCE_DIR) / "tests/golden/vision/pictures" / name, folder / name);
  return folder / name;
}

void read_pixels(const fs::path& file) {
  EXPECT_EQ(ImageProcessor({}).pixels(read_picture(file)).size(2), 224);
}

void read_gguf_tokenizer(const fs::path& file) { open_tokenizer(file)->encode("a b", {}); }

void read_tokenizer(const fs::path& file) {
  const auto tokenizer = open_tokenizer(file);
  constexpr auto kText = "Hello  w\u00f6rld, it's 12345\n\n\t<s> \u4f60\u597d \U0001f600!";
  tokenizer->decode(tokenizer->encode(kText, Special::kDefault));
}

const std::vector<Kind>& all_kinds() {
  static const std::vector<Kind> kinds = {
      {"Safetensors", [](const fs::path& f) { return model_file(f, "model.safetensors"); },
       read_safetensors},
      {"ModelOfSafetensors", [](const fs::path& f) { return model_file(f, "model.safetensors"); },
       read_model},
      {"Config", [](const fs::path& f) { return model_file(f, "config.json"); }, read_config},
      {"ModelOfConfig", [](const fs::path& f) { return model_file(f, "config.json"); }, read_model},
      {"Index", index_file, read_model},
      {"GenerationConfig",
       [](const fs::path& f) {
         model_file(f, "config.json");
         return text_file(f / "generation_config.json",
                          R"({"eos_token_id": [1, 2], "temperature": 0.5, "do_sample": true})");
       },
       read_model},
      {"TokenizerConfig",
       [](const fs::path& f) {
         tokenizer_file(f, "llama2-style", "tokenizer.json");
         return text_file(
             f / "tokenizer_config.json",
             R"({"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>",)"
             R"( "add_bos_token": true, "chat_template": [{"name": "default",)"
             R"( "template": "{{ x }}"}], "added_tokens_decoder": {"1":)"
             R"( {"content": "<s>", "special": true}}})");
       },
       [](const fs::path& file) { read_tokenizer(file.parent_path()); }},
      {"Gguf", gguf_file, read_gguf},
      {"ModelOfGguf", gguf_file, read_model},
      {"GgufTokenizer", gguf_file, read_gguf_tokenizer},
      {"Llama2Tokenizer",
       [](const fs::path& f) { return tokenizer_file(f, "llama2-style", "tokenizer.json"); },
       read_tokenizer},
      {"Llama3Tokenizer",
       [](const fs::path& f) { return tokenizer_file(f, "llama3-style", "tokenizer.json"); },
       read_tokenizer},
      {"Qwen2Tokenizer",
       [](const fs::path& f) { return tokenizer_file(f, "qwen2-style", "tokenizer.json"); },
       read_tokenizer},
      {"SplittingTokenizer",
       [](const fs::path& f) { return tokenizer_file(f, "splits", "tokenizer.json"); },
       read_tokenizer},
      {"SentencePiece",
       [](const fs::path& f) {
         return tokenizer_file(f, "sentencepiece-small", "tokenizer.model");
       },
       read_tokenizer},
      {"Tiktoken",
       [](const fs::path& f) { return tokenizer_file(f, "tiktoken-small", "tokenizer.model"); },
       read_tokenizer},
      {"Png", [](const fs::path& f) { return picture_file(f, "palette-alpha.png"); }, read_pixels},
      {"InterlacedPng", [](const fs::path& f) { return picture_file(f, "grey-16-interlaced.png"); },
       read_pixels},
      {"Jpeg", [](const fs::path& f) { return picture_file(f, "420.jpg"); }, read_pixels},
      {"ProgressiveJpeg", [](const fs::path& f) { return picture_file(f, "cmyk-progressive.jpg"); },
       read_pixels},
      {"ImageProcessor",
       [](const fs::path& f) {
         return text_file(
             f / "preprocessor_config.json",
             R"({"image_processor_type": "LlavaImageProcessor", "do_pad": true,)"
             R"( "size": {"shortest_edge": 9}, "crop_size": {"height": 9, "width": 8},)"
             R"( "resample": 2, "image_mean": [0.1, 0.2, 0.3], "image_std": 0.5})");
       },
       [](const fs::path& file) {
         const ImageProcessor processor(read_image_processor(file.parent_path()));
         processor.pixels(
             read_picture(fs::path(MOP_SOURCE_DIR) / "tests/golden/vision/pictures/one-pixel.png"));
       }},
      {"ChatTemplate",
       [](const fs::path& f) {
         return text_file(
             f / "chat_template.jinja",
             "{{ bos_token }}{% for m in messages if m.role != 'x' %}{% if loop.first "
             "and m['role'] == 'user' %}[{{ m.content | trim }}]{% else %}{{ m.content "
             "+ '\\n' }}{% endif %}{% set n = loop.index0 * 2 - 1 %}{% endfor %}");
       },
       [](const fs::path& file) {
         read_chat_template(file.parent_path())
             ->render(Json::parse(R"([{"role": "user", "content": "a"},
                                      {"role": "assistant", "content": "b"}])"));
       }},
      {"Plan",
       [](const fs::path& f) {
         PrunePlan plan{"", 1000, {{"depth", {{1, true, {}, {}, {}}}, {}, 900}}};
         plan.steps.push_back({"width", {{0, false, {0, 1}, {0}, {3, 4, 9}}}, {}, 800});
         write_file(f / "plan.json", to_text(to_json(plan)));
         return f / "plan.json";
       },
       [](const fs::path& file) { plan_from_json(read_json(file), file.string()); }},
      {"Recipe",
       [](const fs::path& f) {
         return text_file(f / "recipe.yaml",
                          "model: x\ncalibration: {file: a.txt, samples: 8, max_tokens: 12}\n"
                          "target: {remove: 0.4, of: blocks}\nselect: path:LG\nseed: 3\n"
                          "protect: [0, -1]\nbranches:\n  - depth\n  - width\n"
                          "width: {budget: exact, rule: gqa}\n");
       },
       [](const fs::path& file) { recipe_from_json(read_recipe(file)); }},
      {"Samples",
       [](const fs::path& f) {
         return text_file(f / "a.json",
                          R"([{"text": "one \u00e9"}, {"instruction": "a", "input": "b"},)"
                          R"( {"question": "q", "choices": ["x", "y"]}])");
       },
       [](const fs::path& file) { read_samples(file); }},
  };
  return kinds;
}

// Numbers and words that damage likes to be.
const std::vector<std::string> kNasty = {"-1",
                                         "0",
                                         "9223372036854775807",
                                         "4294967295",
                                         "1e308",
                                         "null",
                                         "[",
                                         "{",
                                         "\"",
                                         "\\u0000",
                                         "\xff",
                                         std::string(8, '\xff'),
                                         std::string(4, '\0'),
                                         "\n",
                                         "((((a+)+)+)+)$"};

std::string damaged(const std::string& good, Random& random) {
  std::string bytes = good;
  // What describes a file stands at its beginning.
  const uint64_t size = random.below(4) > 0 ? std::min<size_t>(good.size(), 4096) : good.size();
  for (uint64_t times = 1 + random.below(3); times > 0 && !bytes.empty(); --times) {
    const size_t place = random.below(std::min<uint64_t>(size, bytes.size()));
    const size_t length = std::min<size_t>(1 + random.below(12), bytes.size() - place);
    const std::string& nasty = kNasty[random.below(kNasty.size())];
    switch (random.below(7)) {
      case 0:
        bytes.resize(place);
        break;
      case 1:
        bytes[place] = static_cast<char>(random.bits());
        break;
      case 2:
        bytes[place] = static_cast<char>(bytes[place] ^ (1 << random.below(8)));
        break;
      case 3:
        bytes.erase(place, length);
        break;
      case 4:
        bytes.insert(place, bytes.substr(random.below(bytes.size()), length));
        break;
      case 5:
        bytes.insert(place, nasty);
        break;
      default:
        bytes.replace(place, length, nasty);
    }
  }
  return bytes;
}

// What is wrong with how `read` takes the file; empty when nothing is.
std::string complaint(const Kind& kind, const fs::path& file, std::string* refusal = nullptr) {
  try {
    kind.read(file);
  } catch (const Error& e) {
    if (refusal != nullptr) *refusal = e.what();
    return e.kind() == ErrorKind::kInternal ? e.what() : "";
  } catch (const std::exception& e) {
    return std::string("not our error: ") + e.what();
  }
  return "";
}

class Damaged : public ::testing::TestWithParam<Kind> {};

TEST_P(Damaged, IsReadOrRefusedByTheOneKindOfError) {
  const char* asked = std::getenv("MOP_DAMAGES");
  const int count = asked != nullptr ? std::atoi(asked) : 150;
  const testing::TempFolder folder;
  const fs::path file = GetParam().make(folder.path());
  const std::string good = read_file(file);
  for (int i = 0; i < count; ++i) {
    Random random(static_cast<uint64_t>(i));
    // Not write_file, which waits for the disk.
    std::ofstream(file, std::ios::binary | std::ios::trunc) << damaged(good, random);
    const std::string wrong = complaint(GetParam(), file);
    ASSERT_EQ(wrong, "") << "damage " << i << ":\n" << read_file(file).substr(0, 4096);
  }
}

// So deep that whoever follows it by recursion ends the program by its stack.
TEST_P(Damaged, NestingWithoutBoundIsRefused) {
  const testing::TempFolder folder;
  const fs::path file = GetParam().make(folder.path());
  for (const auto& [opens, closes] : {std::pair("[", "]"), std::pair("{\"a\":", "}")}) {
    std::string deep;
    for (int i = 0; i < 200'000; ++i) deep += opens;
    deep += "1";
    for (int i = 0; i < 200'000; ++i) deep += closes;
    write_file(file, deep);
    std::string refusal;
    EXPECT_EQ(complaint(GetParam(), file, &refusal), "");
    // A tokenizer that begins with a bracket is taken for one of another format.
    if (file.extension() == ".json" && deep[0] == '{') {
      EXPECT_THAT(refusal, ::testing::HasSubstr("nested more than")) << file;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(EveryKind, Damaged, ::testing::ValuesIn(all_kinds()),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace mop
