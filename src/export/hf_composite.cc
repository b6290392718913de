// export/hf_composite.cc
#include "export/hf_composite.h"

#include <fmt/format.h>

#include <algorithm>

#include "export/hf_per_layer.h"

namespace mop {
namespace {

// Appended to the language model's code; written for LLaVA-1.5 and LLaMA.
constexpr std::string_view kLlavaCode =
#include "export/per_layer_llava.py.inc"
    ;

constexpr std::string_view kClassEnd = "ForConditionalGeneration";

void write_own_code(const Family& family, const CompositeKind& kind, Json& config) {
  const std::string module = fmt::format("modeling_per_layer_{}", kind.model_type);
  const std::string prefix = module + ".PerLayer" + class_prefix(kind.architecture);
  const std::string model = prefix + std::string(kClassEnd);
  config["model_type"] = fmt::format("{}{}", kPerLayerPrefix, kind.model_type);
  config["architectures"] = {"PerLayer" + std::string(kind.architecture)};
  config["auto_map"] = {{"AutoConfig", prefix + "Config"},
                        {"AutoModelForImageTextToText", model},
                        {"AutoModelForVision2Seq", model}};
}

// Writes one number per layer if any differs from the common value.
void write_list(const char* key, int64_t LayerShape::*member, int64_t common,
                const std::vector<LayerShape>& shapes, Json& section) {
  section.erase(key);
  Json values = Json::array();
  for (const LayerShape& shape : shapes) values.push_back(shape.*member);
  if (std::ranges::any_of(values, [&](const Json& n) { return n != common; }))
    section[key] = values;
}

// Writes the sizes of a tower that is pruned, or was in the source. MLPs of equal width are
// supported by transformers' own classes; other heads are not, see `tower_needs_code`: the common
// number of heads determines the head size and is kept.
void write_tower(const Composite& composite, Json& config) {
  const VisionConfig& vision = composite.vision;
  const std::vector<LayerShape>& shapes = vision.shapes;
  const LayerShape whole = {vision.heads, vision.heads, vision.hidden / vision.heads, vision.mlp};
  Json& section = config["vision_config"];
  if (std::ranges::all_of(shapes, [&](const auto& shape) { return shape == whole; })) return;
  const std::pair<const char*, Json> sizes[] = {{"model_type", "clip_vision_model"},
                                                {"hidden_size", vision.hidden},
                                                {"num_attention_heads", vision.heads},
                                                {"image_size", vision.image},
                                                {"patch_size", vision.patch}};
  for (const auto& [key, value] : sizes) {
    if (!section.contains(key)) section[key] = value;
  }
  section["num_hidden_layers"] = vision.layers;
  // The value keeps its form, a number or a list.
  Json& features = config["vision_feature_layer"];
  features = features.is_array() ? Json(composite.projector.feature_layers)
                                 : Json(composite.projector.feature_layers[0]);
  const auto most = [&](int64_t LayerShape::*member) {
    return (*std::ranges::max_element(shapes, {}, member)).*member;
  };
  section["intermediate_size"] = most(&LayerShape::mlp);
  write_list(kHeadsPerLayer, &LayerShape::heads, vision.heads, shapes, section);
  write_list(kMlpPerLayer, &LayerShape::mlp, most(&LayerShape::mlp), shapes, section);
}

}  // namespace

Json composite_config(const Model& model, Json language_model) {
  const ModelConfig& sizes = model.config();
  const Composite& composite = *sizes.composite;
  Json config = composite.raw;
  config.erase("auto_map");
  config["model_type"] = composite.kind->model_type;
  config["architectures"] = {std::string(composite.kind->architecture)};
  for (const char* key : {"torch_dtype", "dtype"}) config[key] = language_model[key];
  // transformers 5 reads it here, 4 in the section.
  config["tie_word_embeddings"] = sizes.tied_embedding;
  write_tower(composite, config);
  language_model.erase("auto_map");  // the code belongs to the complete model
  config["text_config"] = std::move(language_model);
  if (needs_own_code(sizes)) write_own_code(*sizes.family, *composite.kind, config);
  return config;
}

const Json& language_section(const Json& config) {
  const auto section = config.find("text_config");
  return section == config.end() ? config : *section;
}

const NameLayout& written_layout(const Model& model) {
  const bool holds_parts = model.config().composite != nullptr;
  if (holds_parts && needs_own_code(model.config())) return parts_inside_layout();
  return model.checkpoint().layout();
}

ModellingCode per_layer_composite_code(const Family& family, const CompositeKind& kind) {
  std::string text = replaced(std::string(kLlavaCode), "llava", kind.model_type);
  text = replaced(std::move(text), "Llava", class_prefix(kind.architecture));
  return {.file = fmt::format("modeling_per_layer_{}.py", kind.model_type),
          .text = per_layer_code(family).text + for_family(std::move(text), family),
          .before = ""};
}

}  // namespace mop
