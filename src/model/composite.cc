// model/composite.cc
#include "model/composite.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <functional>
#include <numeric>

#include "base/error.h"
#include "model/family.h"

namespace mop {
namespace {

using enum Fate;

constexpr std::array<CompositeKind, 2> kKinds = {{
    {.name = "llava-1.5",
     .model_type = "llava",
     .architecture = "LlavaForConditionalGeneration",
     .tiles = false},
    {.name = "llava-1.6",
     .model_type = "llava_next",
     .architecture = "LlavaNextForConditionalGeneration",
     .tiles = true},
}};

constexpr KeyFate kKeys[] = {
    {"text_config", kHonoured, "the language model's config"},
    {"vision_config", kHonoured, "the vision tower's sizes"},
    {"model_type", kHonoured, "the kind of composite model"},
    {"architectures", kIgnored, "model_type is used"},
    {"image_token_index", kHonoured, "id of the image placeholder token"},
    {"image_token_id", kHonoured, "the same, in other versions' spelling"},
    {"projector_hidden_act", kHonoured, "activation of the projector"},
    {"multimodal_projector_bias", kHonoured, "whether the projector has biases"},
    {"vision_feature_layer", kHonoured, "which hidden states of the tower are used"},
    {"vision_feature_select_strategy", kHonoured, "whether the class token is used too"},
    {"image_grid_pinpoints", kIgnored, "tile sizes of LLaVA-1.6; its images are not supported"},
    {"use_image_newline_parameter", kIgnored, "for tiles of LLaVA-1.6"},
    {"image_seq_length", kIgnored, "follows from the tower's sizes"},
    {"tie_word_embeddings", kHonoured, "used if text_config does not set it"},
    {"torch_dtype", kHonoured, "dtype of written weights"},
    {"dtype", kHonoured, "the same in transformers 5"},
    {"ignore_index", kIgnored, "label value in training; loss masks are used instead"},
    {"pad_token_id", kIgnored, "sequences are packed without padding"},
    {"vocab_size", kIgnored, "text_config is used"},
    {"auto_map", kIgnored, "custom code in the folder is never run"},
    {"transformers_version", kIgnored, "version of the writer"},
    {"initializer_range", kIgnored, "only for initialising weights"},
    {"_*", kIgnored, "private to the writer"},
};

using Shape = std::vector<int64_t>;

// Adds a projection or norm: `name`.weight and, with `bias`, `name`.bias.
void add(OutsidePart& part, const std::string& name, Shape shape, bool bias = true) {
  const Shape out = {shape.front()};
  part.tensors.push_back({name + ".weight", std::move(shape)});
  if (bias) part.tensors.push_back({name + ".bias", out});
}

ModelConfig layers_of_tower(const VisionConfig& v, int64_t layers) {
  ModelConfig config;
  config.family = &tower_family();
  config.hidden = v.hidden;
  config.norm_eps = v.norm_eps;
  config.attention_bias = config.mlp_bias = true;
  config.layers.assign(v.shapes.begin(), v.shapes.begin() + layers);
  return config;
}

OutsidePart vision_tower(const VisionConfig& v) {
  const std::string root = "vision_tower.";
  const ModelConfig layers = layers_of_tower(v, v.layers);
  OutsidePart part{"vision tower", {}};
  part.tensors.push_back({root + "embeddings.class_embedding", {v.hidden}});
  add(part, root + "embeddings.patch_embedding", {v.hidden, v.channels, v.patch, v.patch}, false);
  add(part, root + "embeddings.position_embedding", {v.patches() + 1, v.hidden}, false);
  add(part, root + "pre_layrnorm", {v.hidden});
  for (int64_t i = 0; i < v.layers; ++i) {
    for (const LayerTensor& tensor : layers.family->layer_tensors) {
      part.tensors.push_back(
          {tensor_name(*layers.family, i, tensor),
           axis_lengths(tensor.axes, layers, layers.layers[static_cast<size_t>(i)])});
    }
    for (const char* norm : {"layer_norm1", "layer_norm2"})
      add(part, fmt::format("{}encoder.layers.{}.{}", root, i, norm), {v.hidden});
  }
  add(part, root + "post_layernorm", {v.hidden});
  return part;
}

OutsidePart projector_part(const VisionConfig& v, const ProjectorConfig& p, int64_t hidden) {
  const auto features = v.hidden * static_cast<int64_t>(p.feature_layers.size());
  OutsidePart part{"projector", {}};
  add(part, "multi_modal_projector.linear_1", {hidden, features}, p.bias);
  add(part, "multi_modal_projector.linear_2", {hidden, hidden}, p.bias);
  return part;
}

// Number of layers needed for the hidden states that are used.
int64_t computed_layers(const VisionConfig& v, const ProjectorConfig& p) {
  int64_t most = 0;
  for (const int64_t layer : p.feature_layers)
    most = std::max(most, layer < 0 ? layer + v.layers + 1 : layer);
  return most;
}

const CompositeKind* find_kind(const Json& raw, const std::string& where) {
  std::string type = get_or<std::string>(raw, "model_type", "", where);
  if (type.starts_with(kPerLayerPrefix)) type.erase(0, kPerLayerPrefix.size());
  const auto of_type = [&](const CompositeKind& kind) {
    if (!type.empty()) return kind.model_type == type;
    const auto names = raw.find("architectures");
    return names != raw.end() && names->is_array() && !names->empty() &&
           names->front() == kind.architecture;
  };
  const auto found = std::ranges::find_if(kKinds, of_type);
  return found == kKinds.end() ? nullptr : &*found;
}

int64_t image_token(const Json& raw, const std::string& where) {
  for (const char* key : {"image_token_id", "image_token_index"}) {
    if (raw.contains(key) && !raw[key].is_null()) return require<int64_t>(raw, key, where);
  }
  return 32000;  // default of LlavaConfig
}

}  // namespace

int64_t OutsidePart::parameters() const {
  const auto elements = [](int64_t sum, const OutsideTensor& tensor) {
    return sum + std::accumulate(tensor.shape.begin(), tensor.shape.end(), int64_t{1},
                                 std::multiplies<>());
  };
  return std::accumulate(tensors.begin(), tensors.end(), int64_t{0}, elements);
}

int64_t Composite::parameters() const {
  int64_t sum = 0;
  for (const OutsidePart& part : parts) sum += part.parameters();
  return sum;
}

int64_t Composite::unused_layers() const {
  return vision.layers - computed_layers(vision, projector);
}

std::shared_ptr<const Composite> Composite::with_tower(
    const std::vector<LayerShape>& shapes) const {
  auto changed = std::make_shared<Composite>(*this);
  const int64_t dropped = unused_layers();
  changed->vision.shapes = shapes;
  changed->vision.layers -= dropped;
  for (int64_t& layer : changed->projector.feature_layers) layer += layer < 0 ? dropped : 0;
  changed->tower = layers_of_tower(changed->vision, changed->vision.layers);
  changed->parts[0] = vision_tower(changed->vision);
  return changed;
}

bool Composite::has(std::string_view name) const {
  // Old files contain this constant table.
  if (name == "vision_tower.embeddings.position_ids") return true;
  return std::ranges::any_of(parts, [&](const OutsidePart& part) {
    return std::ranges::find(part.tensors, name, &OutsideTensor::name) != part.tensors.end();
  });
}

void Composite::find_parts(const ModelConfig& language_model, const std::string& where) {
  parts = {vision_tower(vision), projector_part(vision, projector, language_model.hidden)};
  tower = layers_of_tower(vision, kind->tiles ? 0 : computed_layers(vision, projector));
  if (kind->tiles) parts.push_back({"image newline", {{"image_newline", {language_model.hidden}}}});
  if (image_token >= 0 && image_token < language_model.vocab) return;
  throw bad_input("the image token id {} is outside the vocabulary of {}", image_token,
                  language_model.vocab)
      .where("file", where);
}

std::span<const CompositeKind> all_composites() { return kKinds; }

const FormatKeys& composite_keys() {
  static const FormatKeys keys{"config.json of a vision-language model", kKeys};
  return keys;
}

std::shared_ptr<Composite> read_composite(const Json& raw, const std::string& where) {
  const CompositeKind* kind = find_kind(raw, where);
  if (kind == nullptr) return nullptr;
  auto composite = std::make_shared<Composite>();
  composite->kind = kind;
  composite->raw = raw;
  composite->vision = read_vision_config(raw, where);
  composite->projector = read_projector_config(raw, composite->vision, where);
  composite->image_token = image_token(raw, where);
  return composite;
}

const ModelConfig& tower_config(const ModelConfig& whole) {
  const Composite* composite = whole.composite.get();
  if (composite != nullptr && !composite->tower.layers.empty()) return composite->tower;
  const std::string why =
      composite == nullptr ? "the model has none"
      : composite->kind->tiles
          ? fmt::format("tiled images of {} are not supported", composite->kind->name)
          : std::string("none of its layers is used");
  throw usage_error("there is no vision tower to prune: {}", why)
      .hint("a LLaVA-1.5 folder has one");
}

Json text_config(const Composite& composite, const std::string& where) {
  const auto found = composite.raw.find("text_config");
  if (found == composite.raw.end() || !found->is_object())
    throw bad_input("there is no section 'text_config'").where("file", where);
  Json text = *found;
  if (!text.contains("model_type")) text["model_type"] = "llama";
  if (!text.contains("tie_word_embeddings") && composite.raw.contains("tie_word_embeddings"))
    text["tie_word_embeddings"] = composite.raw["tie_word_embeddings"];
  return text;
}

}  // namespace mop
