// tools/random_checkpoint.cc -- writes a checkpoint of a LLaMA's or LLaVA's shape with random
// weights, for benchmarks that need the size and not the sense: mop_random_checkpoint SHAPE OUT
// [--tokenizer FILE_OR_FOLDER] [--seed N].
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <future>
#include <iostream>
#include <numbers>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/named_table.h"
#include "base/random.h"
#include "checkpoint/safetensors.h"

namespace {
using namespace mop;
namespace fs = std::filesystem;

/// CLIP's vision tower.
struct Tower {
  int64_t layers, hidden, heads, mlp, image, patch;
};

struct Shape {
  std::string name;
  int64_t layers, hidden, heads, kv_heads, mlp, vocab, context;
  std::optional<Tower> tower = {};  ///< a LLaVA-1.5 with it, whose language model this is
};

const Tower kViTL336{24, 1024, 16, 4096, 336, 14};

const Shape kShapes[] = {
    {"llama-15m", 6, 288, 6, 6, 768, 32000, 2048},
    {"llama-1.1b", 22, 2048, 32, 4, 5632, 32000, 2048},
    {"llama-7b", 32, 4096, 32, 32, 11008, 32000, 4096},
    {"llama-13b", 40, 5120, 40, 40, 13824, 32000, 4096},
    {"llava-tiny", 2, 64, 4, 4, 96, 256, 512, Tower{2, 32, 2, 48, 28, 14}},
    {"llava-7b", 32, 4096, 32, 32, 11008, 32064, 4096, kViTL336},
};

Json language_config(const Shape& shape) {
  return {{"architectures", {"LlamaForCausalLM"}},
          {"attention_bias", false},
          {"bos_token_id", 1},
          {"eos_token_id", 2},
          {"hidden_act", "silu"},
          {"hidden_size", shape.hidden},
          {"initializer_range", 0.02},
          {"intermediate_size", shape.mlp},
          {"max_position_embeddings", shape.context},
          {"mlp_bias", false},
          {"model_type", "llama"},
          {"num_attention_heads", shape.heads},
          {"num_hidden_layers", shape.layers},
          {"num_key_value_heads", shape.kv_heads},
          {"pretraining_tp", 1},
          {"rms_norm_eps", 1e-5},
          {"rope_scaling", nullptr},
          {"rope_theta", 10000.0},
          {"tie_word_embeddings", false},
          {"torch_dtype", "bfloat16"},
          {"use_cache", true},
          {"vocab_size", shape.vocab}};
}

// The image token is the first id behind LLaMA's own 32000, or the last one of a small vocabulary.
Json make_config(const Shape& shape) {
  const Json language = language_config(shape);
  if (!shape.tower) return language;
  const Tower& tower = *shape.tower;
  return {{"architectures", {"LlavaForConditionalGeneration"}},
          {"model_type", "llava"},
          {"image_token_index", std::min<int64_t>(32000, shape.vocab - 1)},
          {"projector_hidden_act", "gelu"},
          {"text_config", language},
          {"torch_dtype", "bfloat16"},
          {"vision_config",
           {{"hidden_act", "quick_gelu"},
            {"hidden_size", tower.hidden},
            {"image_size", tower.image},
            {"intermediate_size", tower.mlp},
            {"model_type", "clip_vision_model"},
            {"num_attention_heads", tower.heads},
            {"num_hidden_layers", tower.layers},
            {"patch_size", tower.patch}}},
          {"vision_feature_layer", -2},
          {"vision_feature_select_strategy", "default"}};
}

Json image_processor(const Tower& tower) {
  return {{"image_processor_type", "CLIPImageProcessor"},
          {"size", {{"shortest_edge", tower.image}}},
          {"crop_size", {{"height", tower.image}, {"width", tower.image}}}};
}

using Add = std::function<void(std::string name, std::vector<int64_t> sizes)>;

void add_with_bias(const std::string& name, std::vector<int64_t> sizes, const Add& add) {
  add(name + ".bias", {sizes.front()});
  add(name + ".weight", std::move(sizes));
}

void add_tower(const Tower& t, int64_t width, const Add& add) {
  const std::string tower = "vision_tower.vision_model.";
  const int64_t positions = (t.image / t.patch) * (t.image / t.patch) + 1;
  add(tower + "embeddings.class_embedding", {t.hidden});
  add(tower + "embeddings.patch_embedding.weight", {t.hidden, 3, t.patch, t.patch});
  add(tower + "embeddings.position_embedding.weight", {positions, t.hidden});
  add_with_bias(tower + "pre_layrnorm", {t.hidden}, add);
  for (int64_t i = 0; i < t.layers; ++i) {
    const std::string layer = fmt::format("{}encoder.layers.{}.", tower, i);
    for (const char* norm : {"layer_norm1", "layer_norm2"})
      add_with_bias(layer + norm, {t.hidden}, add);
    for (const char* part : {"q_proj", "k_proj", "v_proj", "out_proj"})
      add_with_bias(layer + "self_attn." + part, {t.hidden, t.hidden}, add);
    add_with_bias(layer + "mlp.fc1", {t.mlp, t.hidden}, add);
    add_with_bias(layer + "mlp.fc2", {t.hidden, t.mlp}, add);
  }
  add_with_bias(tower + "post_layernorm", {t.hidden}, add);
  add_with_bias("multi_modal_projector.linear_1", {width, t.hidden}, add);
  add_with_bias("multi_modal_projector.linear_2", {width, width}, add);
}

std::vector<TensorSpec> make_specs(const Shape& s) {
  const int64_t kv = s.hidden / s.heads * s.kv_heads;
  std::vector<TensorSpec> specs;
  const Add add_alone = [&](std::string name, std::vector<int64_t> sizes) {
    specs.push_back({std::move(name), at::kBFloat16, std::move(sizes)});
  };
  if (s.tower) add_tower(*s.tower, s.hidden, add_alone);
  const Add add = [&](const std::string& name, std::vector<int64_t> sizes) {
    add_alone((s.tower ? "language_model." : "") + name, std::move(sizes));
  };
  add("model.embed_tokens.weight", {s.vocab, s.hidden});
  for (int64_t i = 0; i < s.layers; ++i) {
    const std::string layer = fmt::format("model.layers.{}.", i);
    add(layer + "input_layernorm.weight", {s.hidden});
    add(layer + "self_attn.q_proj.weight", {s.hidden, s.hidden});
    add(layer + "self_attn.k_proj.weight", {kv, s.hidden});
    add(layer + "self_attn.v_proj.weight", {kv, s.hidden});
    add(layer + "self_attn.o_proj.weight", {s.hidden, s.hidden});
    add(layer + "post_attention_layernorm.weight", {s.hidden});
    add(layer + "mlp.gate_proj.weight", {s.mlp, s.hidden});
    add(layer + "mlp.up_proj.weight", {s.mlp, s.hidden});
    add(layer + "mlp.down_proj.weight", {s.hidden, s.mlp});
  }
  add("model.norm.weight", {s.hidden});
  add("lm_head.weight", {s.vocab, s.hidden});
  return specs;
}

// normal(0, 0.02) numbers, drawn once; each tensor starts at its own place, and the odd length
// keeps rows of a matrix from being equal.
std::vector<uint16_t> make_block(uint64_t seed) {
  std::vector<uint16_t> block((1 << 22) + 13);
  Random random(seed);
  for (uint16_t& value : block) {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - random.uniform()));
    const double number = 0.02 * radius * std::cos(2.0 * std::numbers::pi * random.uniform());
    value = c10::BFloat16(static_cast<float>(number)).x;
  }
  return block;
}

bool is_norm(const TensorSpec& spec) {
  return spec.name.find("norm") != std::string::npos && spec.name.ends_with("weight");
}

at::Tensor make_tensor(const TensorSpec& spec, const std::vector<uint16_t>& block, size_t& place) {
  if (is_norm(spec)) return at::ones(spec.shape, at::kBFloat16);
  at::Tensor tensor = at::empty(spec.shape, at::kBFloat16);
  auto* to = static_cast<uint16_t*>(tensor.data_ptr());
  for (auto left = static_cast<size_t>(tensor.numel()); left > 0;) {
    const size_t n = std::min(left, block.size() - place);
    std::memcpy(to, block.data() + place, n * sizeof(uint16_t));
    to += n;
    left -= n;
    place = (place + n) % block.size();
  }
  return tensor;
}

// Shards of at most 5 GB, in order.
std::vector<std::vector<TensorSpec>> split(const std::vector<TensorSpec>& specs) {
  std::vector<std::vector<TensorSpec>> shards(1);
  size_t bytes = 0;
  for (const TensorSpec& spec : specs) {
    if (bytes + spec.bytes() > 5'000'000'000 && bytes > 0) {
      shards.emplace_back();
      bytes = 0;
    }
    bytes += spec.bytes();
    shards.back().push_back(spec);
  }
  return shards;
}

/// One file and what it holds; `place` is where its first weights start in the block.
struct Shard {
  fs::path file;
  std::vector<TensorSpec> specs;
  size_t place = 0;
};

size_t numbers_drawn(const TensorSpec& spec) {
  return is_norm(spec) ? 0 : spec.bytes() / sizeof(uint16_t);
}

std::vector<Shard> name_shards(const Shape& shape, const fs::path& out, size_t block_size) {
  const auto lists = split(make_specs(shape));
  std::vector<Shard> shards;
  size_t drawn = 0;
  for (size_t i = 0; i < lists.size(); ++i) {
    const std::string name =
        lists.size() == 1 ? "model.safetensors"
                          : fmt::format("model-{:05}-of-{:05}.safetensors", i + 1, lists.size());
    shards.push_back({out / name, lists[i], drawn % block_size});
    for (const TensorSpec& spec : lists[i]) drawn += numbers_drawn(spec);
  }
  return shards;
}

void write_shard(Shard shard, const std::vector<uint16_t>& block) {
  SafetensorsWriter writer(shard.file, shard.specs, {{"format", "pt"}});
  for (const TensorSpec& spec : shard.specs) writer.write(make_tensor(spec, block, shard.place));
  writer.finish();
}

// Shards side by side: a large model is written as fast as memory and disk allow.
void write_weights(const Shape& shape, const fs::path& out, uint64_t seed) {
  const std::vector<uint16_t> block = make_block(seed);
  const std::vector<Shard> shards = name_shards(shape, out, block.size());
  std::vector<std::future<void>> written;
  for (const Shard& shard : shards) {
    written.push_back(std::async(std::launch::async, [&] { write_shard(shard, block); }));
  }
  for (auto& shard : written) shard.get();
  if (shards.size() == 1) return;
  size_t total = 0;
  Json weight_map = Json::object();
  for (const Shard& shard : shards) {
    for (const TensorSpec& spec : shard.specs) {
      weight_map[spec.name] = shard.file.filename().string();
      total += spec.bytes();
    }
  }
  const Json index = {{"metadata", {{"total_size", total}}}, {"weight_map", weight_map}};
  write_file(out / "model.safetensors.index.json", to_text(index));
}

void copy_tokenizer(const fs::path& from, const fs::path& out) {
  if (!fs::is_directory(from)) {
    const auto name = from.extension() == ".json" ? "tokenizer.json" : "tokenizer.model";
    fs::copy_file(from, out / name, fs::copy_options::overwrite_existing);
    return;
  }
  for (const auto& item : fs::directory_iterator(from)) {
    const std::string name = item.path().filename().string();
    if (name.starts_with("tokenizer") || name == "special_tokens_map.json") {
      fs::copy_file(item.path(), out / name, fs::copy_options::overwrite_existing);
    }
  }
}

int run(const std::vector<std::string>& arguments) {
  if (arguments.size() < 2 || arguments.size() % 2 != 0) {
    throw usage_error(
        "usage: mop_random_checkpoint SHAPE OUT [--tokenizer FILE_OR_FOLDER] [--seed N]")
        .hint("shapes: llama-15m, llama-1.1b, llama-7b, llama-13b, llava-tiny, llava-7b");
  }
  const Shape& shape = find_by_name(std::span<const Shape>(kShapes), arguments[0], "shape");
  const fs::path out = arguments[1];
  uint64_t seed = 1;
  fs::path tokenizer;
  for (size_t i = 2; i < arguments.size(); i += 2) {
    if (arguments[i] == "--tokenizer") {
      tokenizer = arguments[i + 1];
    } else if (arguments[i] == "--seed") {
      seed = std::stoull(arguments[i + 1]);
    } else {
      throw usage_error("unknown option '{}'", arguments[i]).hint("known: --tokenizer, --seed");
    }
  }
  fs::create_directories(out);
  write_file(out / "config.json", to_text(make_config(shape)));
  if (shape.tower)
    write_file(out / "preprocessor_config.json", to_text(image_processor(*shape.tower)));
  if (!tokenizer.empty()) copy_tokenizer(tokenizer, out);
  write_weights(shape, out, seed);
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run({argv + 1, argv + argc});
  } catch (const mop::Error& e) {
    std::cerr << "error: " << e.what() << "\n";
    return e.kind() == mop::ErrorKind::kUsage ? 2 : 1;
  } catch (const std::exception& e) {
    std::cerr << "error: " << e.what() << "\n";
    return 1;
  }
}
