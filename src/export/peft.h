// export/peft.h -- reads LoRA adapters in PEFT's folder format (adapter_config.json and
// adapter_model.safetensors).
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>
#include <string>

#include "base/progress.h"
#include "model/model.h"

namespace mop {

/// Returns the model with the adapter merged: W + scale * B A for every projection of the adapter,
/// computed in float32 and stored in `dtype` as changed tensors (nullopt = W's own dtype, for
/// writing; the compute dtype gives what PEFT computes without merging). scale is alpha / r, or
/// alpha / sqrt(r) with rslora (arXiv 2106.09685, 2312.03732), where `alpha_pattern` may set alpha
/// per projection. Throws Error(kBadInput) for a folder without an adapter, a type other than LoRA,
/// an unsupported option (DoRA, biases, trained modules), or tensors that do not fit the model (all
/// are listed).
Model with_adapter(const Model& model, const std::filesystem::path& folder,
                   std::optional<at::ScalarType> dtype, Progress& progress);

/// Returns the base model named by the adapter; empty if it names none.
std::string adapter_base(const std::filesystem::path& folder);

}  // namespace mop
