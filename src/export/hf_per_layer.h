// export/hf_per_layer.h -- layers that differ, as a Hugging Face folder: `per_layer_config` in
// config.json for readers that know it, and modelling code beside it for all others.
#pragma once
#include <string>

#include "export/modelling_code.h"
#include "model/family.h"

namespace mop {

/// transformers 5 refuses a LLaMA whose hidden size is not a multiple of its heads.
bool breaks_llama_rule(const ModelConfig& config);

/// Whether transformers' own classes cannot express this language model: layers differ or lack a
/// half, a projection has a bias that the family does not know, or `breaks_llama_rule` with biases
/// (without them it is a Mistral).
bool language_model_needs_code(const ModelConfig& config);

/// The same of a vision tower: layers that differ, or fewer heads than their width says, which
/// transformers' CLIPAttention derives from them.
bool tower_needs_code(const ModelConfig& config);
/// Either.
bool needs_own_code(const ModelConfig& config);

/// The sizes that stand beside `per_layer_config`: those of a layer that has both halves and, for a
/// LLaMA, whose heads divide the hidden size, as transformers 5 demands of them.
LayerShape common_shape(const ModelConfig& config);

/// Adds how each layer differs from the sizes that `config` already has, and where the code is.
void write_per_layer(const ModelConfig& sizes, Json& config);
/// Takes out of a config what `write_per_layer` put there, so that the family's own type stands.
void forget_per_layer(const ModelConfig& sizes, Json& config);

/// A Qwen2 whose heads do not add up to the hidden size: transformers before 4.48 ignore its
/// head_dim, so the code that layers of different sizes need lies beside it for them.
bool is_narrow_qwen2(const ModelConfig& config);
ModellingCode narrow_qwen2_code(const Family& family);
/// Says where that code is, for such a model without a window, which those versions do not compute.
void write_narrow_qwen2(const ModelConfig& sizes, Json& config);
std::string narrow_qwen2_note(const ModelConfig& config);

/// Code that was written for LLaMA, with the names of another family's classes.
std::string for_family(std::string text, const Family& family);
/// The modelling code of a family.
ModellingCode per_layer_code(const Family& family);

/// Who can read such a folder, in one line.
std::string own_code_note(const ModelConfig& config);

}  // namespace mop
