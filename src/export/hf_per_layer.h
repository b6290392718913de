// export/hf_per_layer.h -- models with different layers as a Hugging Face folder:
// `per_layer_config` in config.json for readers that support it, and modelling code for all others.
#pragma once
#include <string>

#include "export/modelling_code.h"
#include "model/family.h"

namespace mop {

/// Whether the hidden size is not a multiple of the heads; transformers 5 does not load such a
/// LLaMA.
bool breaks_llama_rule(const ModelConfig& config);

/// Whether transformers' own classes cannot express this language model: layers differ or lack a
/// half, a projection has a bias that the family does not support, or `breaks_llama_rule` with
/// biases (without biases it can be written as a Mistral).
bool language_model_needs_code(const ModelConfig& config);

/// The same for a vision tower: layers differ, or there are fewer heads than transformers'
/// CLIPAttention derives from the width.
bool tower_needs_code(const ModelConfig& config);
/// Whether either needs code.
bool needs_own_code(const ModelConfig& config);

/// Returns the sizes beside `per_layer_config`: those of a layer that has both halves and, for a
/// LLaMA, whose heads divide the hidden size, as transformers 5 requires.
LayerShape common_shape(const ModelConfig& config);

/// Adds the differences of each layer from the sizes in `config`, and the reference to the code.
void write_per_layer(const ModelConfig& sizes, Json& config);
/// Removes from a config what `write_per_layer` added, and restores the family's model_type.
void forget_per_layer(const ModelConfig& sizes, Json& config);

/// Whether the model is a Qwen2 whose heads do not add up to the hidden size: transformers before
/// 4.48 ignore its head_dim, so the per-layer modelling code is written for them.
bool is_narrow_qwen2(const ModelConfig& config);
ModellingCode narrow_qwen2_code(const Family& family);
/// Adds the reference to that code for such a model without a window, which those versions do not
/// support.
void write_narrow_qwen2(const ModelConfig& sizes, Json& config);
std::string narrow_qwen2_note(const ModelConfig& config);

/// Returns LLaMA's code with the class names of another family.
std::string for_family(std::string text, const Family& family);
/// Returns the modelling code of a family.
ModellingCode per_layer_code(const Family& family);

/// Returns one line naming the programs that can read such a folder.
std::string own_code_note(const ModelConfig& config);

}  // namespace mop
