// export/peft.h -- LoRA adapters in PEFT's folder format (adapter_config.json and
// adapter_model.safetensors), kept apart from the weights they belong to.
#pragma once
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <optional>
#include <string>

#include "base/progress.h"
#include "model/model.h"

namespace mop {

/// The model with the adapter merged: W + scale * B A for every projection that the adapter names,
/// computed in float32 and kept in `dtype`, as changed tensors:
/// W's own to be written, the one computed in to be what PEFT computes without merging. scale is
/// alpha / r, or alpha / sqrt(r) with rslora (arXiv 2106.09685, 2312.03732), with alpha by
/// projection where `alpha_pattern` gives one. Throws Error(kBadInput): no adapter, another kind
/// than LoRA, an option that we do not follow (DoRA, biases, trained modules), tensors that do not
/// fit the model (all are listed).
Model with_adapter(const Model& model, const std::filesystem::path& folder,
                   std::optional<at::ScalarType> dtype, Progress& progress);

/// The model that the adapter says it was trained on; empty when it says nothing.
std::string adapter_base(const std::filesystem::path& folder);

}  // namespace mop
