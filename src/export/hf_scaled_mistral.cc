// export/hf_scaled_mistral.cc
#include "export/hf_scaled_mistral.h"

#include <fmt/format.h>

#include "export/hf_per_layer.h"

namespace mop {
namespace {

constexpr std::string_view kCode =
#include "export/scaled_mistral.py.inc"
    ;

}  // namespace

bool is_written_as_mistral(const ModelConfig& config) {
  return !language_model_needs_code(config) &&
         (config.family->model_type == "mistral" || breaks_llama_rule(config));
}

bool is_scaled_mistral(const ModelConfig& config) {
  return is_written_as_mistral(config) && config.rope.type != "default";
}

ModellingCode scaled_mistral_code() {
  return {.file = "modeling_scaled_mistral.py", .text = std::string(kCode), .before = "4.48"};
}

void write_scaled_mistral(const ModelConfig& sizes, Json& config) {
  if (!is_scaled_mistral(sizes) || sizes.sliding_window) return;
  config["auto_map"] = auto_map(scaled_mistral_code(), "ScaledMistral");
}

std::string scaled_mistral_note(const ModelConfig& config) {
  if (!is_scaled_mistral(config)) return "";
  if (config.sliding_window) return "transformers 4.45 to 4.47 ignore its rope scaling";
  return fmt::format(
      "transformers 4.45 to 4.47 ignore its rope scaling without "
      "trust_remote_code=True ({})",
      scaled_mistral_code().file);
}

}  // namespace mop
