// export/hf_scaled_mistral.h -- transformers before 4.48 ignore the rope scaling of a Mistral, and
// of a LLaMA that is written as one: modelling code beside it computes it there.
#pragma once
#include "export/modelling_code.h"

namespace mop {

/// Whether transformers' own Mistral is what computes this model: one, or a LLaMA that breaks
/// `breaks_llama_rule`, without code of its own.
bool is_written_as_mistral(const ModelConfig& config);

/// Whether that Mistral's rotary embedding is scaled.
bool is_scaled_mistral(const ModelConfig& config);

/// The code, which has no sliding window; later versions find their own class in it.
ModellingCode scaled_mistral_code();

/// Names the code in a config; nothing when the model is no such Mistral or has a window.
void write_scaled_mistral(const ModelConfig& sizes, Json& config);

/// What transformers before 4.48 need, empty when nothing: a part of a sentence.
std::string scaled_mistral_note(const ModelConfig& config);

}  // namespace mop
