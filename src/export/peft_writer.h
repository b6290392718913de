// export/peft_writer.h -- writes low-rank additions as a folder that PEFT loads; peft.h reads it.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace mop {

/// Settings of PEFT's LoraConfig.
struct PeftConfig {
  std::string base_model;  ///< folder of the model the additions belong to
  int64_t rank = 0;
  double alpha = 0;
  double dropout = 0;
  std::vector<std::string> targets;  ///< "q_proj", ...
  /// Whether the model is part of a composite model (LLaVA), whose other parts have modules of the
  /// same names: modules are then named as in transformers 4.52 and later.
  bool within = false;
};

/// Writes adapter_config.json and adapter_model.safetensors into `folder`, which is created if
/// missing. `tensors` by the names of the model they belong to:
/// "model.layers.0.self_attn.q_proj.lora_A.weight" [R, K] and "...lora_B.weight" [O, R]. Equal
/// values give equal bytes. Throws Error(kIo).
void write_peft(const std::filesystem::path& folder, const PeftConfig& config,
                const std::map<std::string, at::Tensor>& tensors);

}  // namespace mop
