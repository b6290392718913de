// export/hf_scaled_mistral.h -- modelling code for transformers before 4.48, which ignore the rope
// scaling of a Mistral and of a LLaMA written as one.
#pragma once
#include "export/modelling_code.h"

namespace mop {

/// Whether the model is written as transformers' own Mistral: it is one, or is a LLaMA with
/// `breaks_llama_rule`, and needs no modelling code.
bool is_written_as_mistral(const ModelConfig& config);

/// Whether that Mistral has rope scaling.
bool is_scaled_mistral(const ModelConfig& config);

/// Returns the code, which has no sliding window; in later versions it is transformers' own class.
ModellingCode scaled_mistral_code();

/// Adds the reference to the code to a config; does nothing for other models and for those with a
/// window.
void write_scaled_mistral(const ModelConfig& sizes, Json& config);

/// Returns what transformers before 4.48 need, as part of a sentence; empty if nothing.
std::string scaled_mistral_note(const ModelConfig& config);

}  // namespace mop
