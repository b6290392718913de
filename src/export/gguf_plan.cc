// export/gguf_plan.cc
#include "export/gguf_plan.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "checkpoint/gguf_checkpoint.h"
#include "export/gguf_rope.h"
#include "model/weights.h"
#include "tensor/ggml_blocks.h"
#include "text/gguf_vocabulary.h"

namespace mop {
namespace {

// Width of an MLP of zeros that replaces a missing one.
constexpr int64_t kDummyWidth = 32;  // one block of q8_0

/// A layer in the file. llama.cpp ignores the rest of a layer without an MLP, and uses layer 0's
/// number of heads, which must not be 0. In these cases a half of zeros is written.
struct FileLayer {
  int64_t index;     // in the model
  LayerShape shape;  // in the file
  bool no_attention, no_mlp;
};

// A layer without both halves has no effect and is omitted.
std::vector<FileLayer> file_layers(const ModelConfig& config, std::vector<std::string>& notes) {
  std::vector<FileLayer> layers;
  int64_t stand_ins = 0;
  for (size_t i = 0; i < config.layers.size(); ++i) {
    LayerShape shape = config.layers[i];
    const bool no_attention = shape.heads == 0, no_mlp = shape.mlp == 0;
    if (no_attention && no_mlp) continue;
    if (no_attention && layers.empty()) shape.heads = shape.kv_heads = 1;
    if (no_mlp) shape.mlp = kDummyWidth;
    stand_ins += (no_attention && layers.empty()) || no_mlp;
    layers.push_back({static_cast<int64_t>(i), shape, no_attention, no_mlp});
  }
  if (layers.empty()) throw bad_input("a model without layers cannot be written");
  if (stand_ins > 0) {
    notes.push_back(
        fmt::format("llama.cpp needs an MLP in every layer and attention in the first: {} layer{} "
                    "got one of zeros",
                    stand_ins, stand_ins == 1 ? "" : "s"));
  }
  if (layers.size() < config.layers.size()) {
    notes.push_back(
        fmt::format("{} empty layers are omitted", config.layers.size() - layers.size()));
  }
  return layers;
}

bool is_uniform(const std::vector<FileLayer>& layers) {
  return std::ranges::all_of(layers, [&](const FileLayer& layer) {
    return layer.shape == layers.front().shape && layer.shape.heads > 0;
  });
}

// LLaMA's architectures also compute the other families, except Qwen3's norms of q and k.
// llama.cpp's Qwen2 architecture needs heads that add up to the hidden size.
std::string_view architecture_name(const ModelConfig& config, bool uniform) {
  const LayerShape& shape = config.layers.front();
  const std::string_view type = config.family->model_type;
  const bool extra_bias = config.output_bias || config.down_bias;
  const bool factors = !gguf_rope_factors(config.rope, shape.head_dim).empty();
  const bool plain = uniform && !extra_bias && !factors;
  if (type == "qwen3") {
    if (plain && !config.attention_bias) return type;
    throw bad_input(
        "llama.cpp supports Qwen3 only with equal layers, without biases and without rope "
        "scaling "
        "that has factors (llama3, longrope)");
  }
  if (type == "qwen2" && plain && shape.heads * shape.head_dim == config.hidden) return type;
  return uniform ? "llama" : "deci";
}

const GgufArchitecture& find_architecture(std::string_view name) {
  for (const GgufArchitecture& row : gguf_architectures()) {
    if (row.name == name) return row;
  }
  throw internal_error("no GGUF architecture '{}'", name);
}

// Selects the type of each tensor and counts tensors that cannot have the requested type.
class Types {
 public:
  explicit Types(std::optional<GgmlType> wanted) : wanted_(wanted) {}

  GgmlType choose(const std::string& name, const std::vector<int64_t>& shape, DType stored) {
    if (shape.size() < 2) return GgmlType::kF32;
    const GgmlType type = wanted_.value_or(ggml_of(stored));
    if (type != GgmlType::kQ8_0 || shape.back() % kQ8_0.values == 0) return type;
    if (odd_++ == 0) first_ = fmt::format("{} has rows of {}", name, shape.back());
    return stored == at::kBFloat16 ? GgmlType::kBf16 : GgmlType::kF16;
  }
  void note(std::vector<std::string>& notes) const {
    if (odd_ == 0) return;
    notes.push_back(
        fmt::format("{} tensors remain 16-bit: q8_0 needs rows of whole blocks of {}, "
                    "and {} (prune with --shape-multiple 32)",
                    odd_, kQ8_0.values, first_));
  }

 private:
  std::optional<GgmlType> wanted_;
  int64_t odd_ = 0;
  std::string first_;
};

DType stored_dtype(const Model& model, const Layer& layer, const LayerTensor& tensor) {
  const auto changed = layer.changed.find(tensor.role);
  if (changed != layer.changed.end()) return changed->second.scalar_type();
  return model.checkpoint().entry(tensor_name(*model.config().family, layer.source, tensor)).dtype;
}

// Collects the tensors in file order.
class Tensors {
 public:
  Tensors(const Model& model, GgufPlan& plan, std::optional<GgmlType> type)
      : model_(model), plan_(plan), types_(type) {}

  void add_global(GlobalRole role) {
    for (const GlobalTensor* tensor : global_tensors(model_.config())) {
      if (tensor->role != role) continue;
      const auto changed = model_.changed_globals().find(role);
      const std::string name(tensor->name);
      const DType dtype = changed != model_.changed_globals().end()
                              ? changed->second.scalar_type()
                              : model_.checkpoint().entry(name).dtype;
      add(*place_of_hf(name), axis_lengths(tensor->axes, model_.config(), {}), dtype,
          [tensor](const Model& m) { return stored_global(m, *tensor); });
    }
  }

  void add_layer(const FileLayer& layer, int64_t number) {
    const ModelConfig& config = model_.config();
    for (const LayerTensor* tensor : tensors_of_layer(config, layer.shape)) {
      GgufPlace place = *place_of_hf(tensor_name(*config.family, number, *tensor));
      const std::vector<int64_t> shape = axis_lengths(tensor->axes, config, layer.shape);
      const bool missing = tensor->half == Half::kAttention ? layer.no_attention : layer.no_mlp;
      if (missing) {
        const bool norm = shape.size() == 1 && shape[0] == config.hidden &&
                          (tensor->role == Role::kInputNorm || tensor->role == Role::kMlpNorm);
        add(place, shape, at::kFloat,
            [shape, norm](const Model&) { return at::full(shape, norm ? 1.0 : 0.0, at::kFloat); });
        continue;
      }
      add(place, shape,
          stored_dtype(model_, model_.layers()[static_cast<size_t>(layer.index)], *tensor),
          [tensor, index = layer.index, heads = heads_of(place, layer.shape)](const Model& m) {
            const at::Tensor value = stored_tensor(m, index, *tensor);
            return heads == 0 ? value : interleave_heads(value, heads);
          });
    }
  }

  void add_rope_factors() {
    const ModelConfig& config = model_.config();
    for (auto& [name, factors] : gguf_rope_factors(config.rope, config.layers.front().head_dim)) {
      plan_.tensors.push_back({{name, GgmlType::kF32, factors.sizes().vec()},
                               [value = factors](const Model&) { return value; }});
    }
  }

  void note() const { types_.note(plan_.notes); }

 private:
  int64_t heads_of(const GgufPlace& place, const LayerShape& shape) const {
    if (!plan_.architecture->interleaved || place.row->rows == HeadRows::kNone) return 0;
    return place.row->rows == HeadRows::kQuery ? shape.heads : shape.kv_heads;
  }
  void add(const GgufPlace& place, const std::vector<int64_t>& shape, DType stored,
           std::function<at::Tensor(const Model&)> value) {
    const std::string name = place.gguf_name();
    plan_.tensors.push_back({{name, types_.choose(name, shape, stored), shape}, std::move(value)});
  }
  const Model& model_;
  GgufPlan& plan_;
  Types types_;
};

// llama.cpp's number of the type that most matrices have.
int64_t file_type(const GgufPlan& plan) {
  std::map<GgmlType, size_t> bytes;
  for (const GgufPlannedTensor& tensor : plan.tensors) {
    if (tensor.spec.shape.size() < 2) continue;
    bytes[tensor.spec.type] += static_cast<size_t>(c10::multiply_integers(tensor.spec.shape));
  }
  const auto most = std::ranges::max_element(bytes, {}, [](const auto& b) { return b.second; });
  switch (most->first) {
    case GgmlType::kF32:
      return 0;
    case GgmlType::kF16:
      return 1;
    case GgmlType::kQ8_0:
      return 7;
    case GgmlType::kBf16:
      return 32;
    default:
      break;
  }
  throw internal_error("no file type");
}

// Without support for sliding windows, llama.cpp is correct only up to the window.
int64_t context_of(const ModelConfig& config, std::vector<std::string>& notes) {
  const bool windowed = config.sliding_window && *config.sliding_window < config.context &&
                        std::ranges::find(config.windowed, true) != config.windowed.end();
  if (!windowed) return config.context;
  notes.push_back(fmt::format(
      "llama.cpp has no sliding window for this architecture: context_length is the window, {}",
      *config.sliding_window));
  return *config.sliding_window;
}

void put_sizes(const ModelConfig& config, const std::vector<FileLayer>& layers, GgufPlan& plan) {
  const auto put = [&](std::string_view key, GgufValue value) {
    plan.metadata.emplace_back(fmt::format("{}.{}", plan.architecture->name, key),
                               std::move(value));
  };
  const auto put_by_layer = [&](std::string_view key, int64_t LayerShape::*member) {
    std::vector<int64_t> values;
    for (const FileLayer& layer : layers) values.push_back(layer.shape.*member);
    put(key, plan.architecture->per_layer ? GgufValue::i32_list(values)
                                          : GgufValue::u32(values.front()));
  };
  const int64_t head_dim = layers.front().shape.head_dim;
  put("block_count", GgufValue::u32(static_cast<int64_t>(layers.size())));
  put("context_length", GgufValue::u32(context_of(config, plan.notes)));
  put("embedding_length", GgufValue::u32(config.hidden));
  put_by_layer("feed_forward_length", &LayerShape::mlp);
  put_by_layer("attention.head_count", &LayerShape::heads);
  put_by_layer("attention.head_count_kv", &LayerShape::kv_heads);
  put("attention.key_length", GgufValue::u32(head_dim));
  put("attention.value_length", GgufValue::u32(head_dim));
  put("attention.layer_norm_rms_epsilon", GgufValue::f32(config.norm_eps));
  put("rope.dimension_count", GgufValue::u32(head_dim));
  write_gguf_rope(config.rope, plan.architecture->name, plan.metadata, plan.notes);
  put("vocab_size", GgufValue::u32(config.vocab));
}

GgufVocabulary vocabulary_of(const Model& model) {
  const Checkpoint& checkpoint = model.checkpoint();
  if (const GgufFile* file = checkpoint.gguf()) return vocabulary_of_gguf(*file);
  return vocabulary_of_folder(checkpoint.folder(), model.config().vocab);
}

// The name of the source folder or file.
std::string name_of(const std::filesystem::path& folder_or_file) {
  const auto source = std::filesystem::absolute(folder_or_file).lexically_normal();
  const auto name = source.has_filename() ? source.filename() : source.parent_path().filename();
  return name.extension() == ".gguf" ? name.stem().string() : name.string();
}

}  // namespace

GgufPlan plan_gguf(const Model& model, std::optional<GgmlType> type) {
  const ModelConfig& config = model.config();
  GgufPlan plan{};
  const std::vector<FileLayer> layers = file_layers(config, plan.notes);
  plan.architecture = &find_architecture(architecture_name(config, is_uniform(layers)));
  Tensors tensors(model, plan, type);
  tensors.add_global(GlobalRole::kEmbedding);
  for (size_t i = 0; i < layers.size(); ++i) tensors.add_layer(layers[i], static_cast<int64_t>(i));
  tensors.add_global(GlobalRole::kFinalNorm);
  tensors.add_global(GlobalRole::kHead);
  tensors.add_rope_factors();
  tensors.note();
  plan.metadata = {{"general.architecture", GgufValue::text(std::string(plan.architecture->name))},
                   {"general.type", GgufValue::text("model")},
                   {"general.name", GgufValue::text(name_of(model.checkpoint().folder()))},
                   {"general.file_type", GgufValue::u32(file_type(plan))},
                   {"general.quantization_version", GgufValue::u32(2)}};
  put_sizes(config, layers, plan);
  const GgufVocabulary vocabulary = vocabulary_of(model);
  put_vocabulary(vocabulary, plan.metadata);
  std::ranges::copy(vocabulary.notes, std::back_inserter(plan.notes));
  if (vocabulary.model == "none") {
    plan.notes.push_back("the model has no tokenizer, so the file has none");
  }
  return plan;
}

}  // namespace mop
