// export/peft_writer.cc
#include "export/peft_writer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/files.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/tensor_names.h"

namespace mop {

namespace {

// A list of names or, in a composite model, a pattern that matches only the language model's
// modules.
Json targets_of(const PeftConfig& config) {
  if (!config.within) return config.targets;
  return fmt::format(".*language_model.*\\.({})", fmt::join(config.targets, "|"));
}

}  // namespace

void write_peft(const std::filesystem::path& folder, const PeftConfig& config,
                const std::map<std::string, at::Tensor>& tensors) {
  std::filesystem::create_directories(folder);
  std::map<std::string, at::Tensor> named;
  for (const auto& [name, value] : tensors) {
    const std::string held = config.within ? stored_name(parts_inside_layout(), name) : name;
    named["base_model.model." + held] = value;
  }
  write_safetensors(folder / "adapter_model.safetensors", named, {{"format", "pt"}});
  const Json json = {{"alpha_pattern", Json::object()},
                     {"base_model_name_or_path", config.base_model},
                     {"bias", "none"},
                     {"fan_in_fan_out", false},
                     {"inference_mode", true},
                     {"init_lora_weights", true},
                     {"layers_pattern", nullptr},
                     {"layers_to_transform", nullptr},
                     {"lora_alpha", config.alpha},
                     {"lora_dropout", config.dropout},
                     {"modules_to_save", nullptr},
                     {"peft_type", "LORA"},
                     {"r", config.rank},
                     {"rank_pattern", Json::object()},
                     {"revision", nullptr},
                     {"target_modules", targets_of(config)},
                     {"task_type", "CAUSAL_LM"},
                     {"use_dora", false},
                     {"use_rslora", false}};
  write_file(folder / "adapter_config.json", to_text(json));
}

}  // namespace mop
