// tests/kit/random_model.cc
#include "kit/random_model.h"

#include <stdlib.h>

#include <cmath>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/random.h"
#include "checkpoint/safetensors.h"
#include "model/composite.h"
#include "model/family.h"

namespace mop::testing {
namespace fs = std::filesystem;

TempFolder::TempFolder() {
  std::string pattern = (fs::temp_directory_path() / "mop_test_XXXXXX").string();
  path_ = ::mkdtemp(pattern.data());
}
TempFolder::~TempFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

namespace {

const Family& family_of(const std::string& model_type) {
  for (const Family& family : all_families()) {
    if (family.model_type == model_type) return family;
  }
  throw usage_error("no family with model_type {}", model_type);
}

at::Tensor random_tensor(const std::vector<int64_t>& shape, bool norm, Random& random,
                         DType dtype) {
  at::Tensor value = at::empty(shape, at::kFloat);
  const double scale = norm ? 0.1 : 1.0 / std::sqrt(static_cast<double>(shape.back()));
  float* data = value.data_ptr<float>();
  for (int64_t i = 0; i < value.numel(); ++i) {
    const double uniform = 2.0 * random.uniform() - 1.0;
    data[i] = static_cast<float>((norm ? 1.0 : 0.0) + scale * std::sqrt(3.0) * uniform);
  }
  return value.to(dtype);
}

Json composite_config(const RandomModel& what, const Json& language_model) {
  return {{"architectures",
           {what.within == "llava" ? "LlavaForConditionalGeneration"
                                   : "LlavaNextForConditionalGeneration"}},
          {"model_type", what.within},
          {"image_token_index", what.vocab - 1},
          {"image_grid_pinpoints", {{12, 24}}},
          {"torch_dtype", what.dtype},
          {"text_config", language_model},
          {"vision_config",
           {{"model_type", "clip_vision_model"},
            {"hidden_size", 16},
            {"intermediate_size", 28},
            {"num_hidden_layers", what.tower_layers},
            {"num_attention_heads", what.tower_heads},
            {"image_size", 12},
            {"patch_size", 4}}}};
}

// Returns transformers 4's name of a tensor outside the language model.
std::string old_name(const std::string& name) {
  if (name.starts_with("vision_tower.")) return "vision_tower.vision_model." + name.substr(13);
  const bool outside = name.starts_with("multi_modal_projector.") || name == "image_newline";
  return outside ? name : "language_model." + name;
}

}  // namespace

void write_random_model(const fs::path& folder, const RandomModel& what) {
  const Family& family = family_of(what.family);
  Json config = {{"architectures", {std::string(family.architecture)}},
                 {"model_type", what.family},
                 {"hidden_size", what.hidden},
                 {"intermediate_size", what.mlp},
                 {"num_hidden_layers", what.layers},
                 {"num_attention_heads", what.heads},
                 {"num_key_value_heads", what.kv_heads},
                 {"head_dim", what.head_dim},
                 {"vocab_size", what.vocab},
                 {"max_position_embeddings", what.context},
                 {"rms_norm_eps", 1e-5},
                 {"rope_theta", 10000.0},
                 {"hidden_act", "silu"},
                 {"tie_word_embeddings", what.tied},
                 {"bos_token_id", 1},
                 {"eos_token_id", 2},
                 {"torch_dtype", what.dtype}};
  if (!what.extra.empty()) config.update(Json::parse(what.extra));
  if (!what.within.empty()) config = composite_config(what, config);
  fs::create_directories(folder);
  write_file(folder / "config.json", to_text(config));

  const ModelConfig parsed = parse_config(config, "random model");
  const DType dtype = dtype_from_name(what.dtype);
  Random random(what.seed);
  std::map<std::string, at::Tensor> tensors;
  const auto make = [&](const std::string& name, const std::vector<Axis>& axes,
                        const LayerShape& shape) {
    std::vector<int64_t> sizes;
    for (const Axis axis : axes) sizes.push_back(axis_length(axis, parsed, shape));
    tensors[name] = random_tensor(sizes, name.find("norm") != std::string::npos, random, dtype);
  };
  for (const GlobalTensor* tensor : global_tensors(parsed))
    make(std::string(tensor->name), tensor->axes, {});
  for (int64_t i = 0; i < what.layers; ++i) {
    const LayerShape& shape = parsed.layers[static_cast<size_t>(i)];
    for (const LayerTensor* tensor : tensors_of_layer(parsed, shape)) {
      make(tensor_name(family, i, *tensor), tensor->axes, shape);
    }
  }
  if (parsed.composite) {
    for (const OutsidePart& part : parsed.composite->parts) {
      for (const auto& [name, shape] : part.tensors)
        tensors[name] = random_tensor(shape, name.find("norm") != name.npos, random, dtype);
    }
    std::map<std::string, at::Tensor> stored;
    for (const auto& [name, tensor] : tensors) stored[old_name(name)] = tensor;
    tensors = std::move(stored);
  }
  write_safetensors(folder / "model.safetensors", tensors, {{"format", "pt"}});
}

fs::path demo_model() { return fs::path(MOP_SOURCE_DIR) / "assets/tinystories-12l"; }
fs::path demo_calibration() {
  return fs::path(MOP_SOURCE_DIR) / "assets/text/generated-calibration.txt";
}
fs::path demo_evaluation() {
  return fs::path(MOP_SOURCE_DIR) / "assets/text/generated-evaluation.txt";
}

fs::path test_data() {
  const char* set = std::getenv("MOP_TEST_DATA");
  const fs::path folder =
      set != nullptr ? fs::path(set) : fs::path(MOP_SOURCE_DIR) / "../shared/data";
  return fs::exists(folder / "models") ? fs::canonical(folder) : fs::path();
}
std::string no_test_data() { return "skipped: no test data (set MOP_TEST_DATA to its folder)"; }

}  // namespace mop::testing
