// export/peft_writer.h -- low-rank additions as a folder that PEFT loads beside the model they
// belong to; peft.h reads it.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace mop {

/// What PEFT's LoraConfig must know.
struct PeftConfig {
  std::string base_model;  ///< folder of the model the additions belong to
  int64_t rank = 0;
  double alpha = 0;
  double dropout = 0;
  std::vector<std::string> targets;  ///< "q_proj", ...
  /// The model is the language model of another (LLaVA), whose other parts have such modules too:
  /// its modules are named as transformers 4.52 and later hold them.
  bool within = false;
};

/// Writes adapter_config.json and adapter_model.safetensors into `folder` (made when absent).
/// `tensors` by the names of the model they belong to: "model.layers.0.self_attn.q_proj.lora_A
/// .weight" [R, K] and "...lora_B.weight" [O, R]. Same values, same bytes. Throws Error(kIo).
void write_peft(const std::filesystem::path& folder, const PeftConfig& config,
                const std::map<std::string, at::Tensor>& tensors);

}  // namespace mop
