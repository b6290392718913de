// export/hf_composite.cc
#include "export/hf_composite.h"

#include <fmt/format.h>

#include "export/hf_per_layer.h"

namespace mop {
namespace {

// Behind the code of the language model; written for LLaVA-1.5 and LLaMA.
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

}  // namespace

Json composite_config(const Model& model, Json language_model) {
  const ModelConfig& sizes = model.config();
  const Composite& composite = *sizes.composite;
  Json config = composite.raw;
  config.erase("auto_map");
  config["model_type"] = composite.kind->model_type;
  config["architectures"] = {std::string(composite.kind->architecture)};
  for (const char* key : {"torch_dtype", "dtype"}) config[key] = language_model[key];
  // transformers 5 looks for it here, 4 in the section.
  config["tie_word_embeddings"] = sizes.tied_embedding;
  language_model.erase("auto_map");  // code lies beside the whole model
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
