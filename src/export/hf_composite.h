// export/hf_composite.h -- a pruned language model written back into the model that holds it
// (LLaVA): the parts beside it pass through, byte by byte, under the names they had.
#pragma once
#include "checkpoint/tensor_names.h"
#include "export/modelling_code.h"
#include "model/composite.h"
#include "model/model.h"

namespace mop {

/// The whole config.json: the source's, with `language_model` as its text_config and the same
/// dtype.
Json composite_config(const Model& model, Json language_model);

/// The section of a written config that is the language model's: the whole, or its text_config.
const Json& language_section(const Json& config);

/// How the written files name the tensors: as the source's do; in transformers' later spelling
/// where modelling code is needed, to which its renaming of old files does not apply.
const NameLayout& written_layout(const Model& model);

/// The modelling code of a composite whose language model has layers that differ.
ModellingCode per_layer_composite_code(const Family& family, const CompositeKind& kind);

}  // namespace mop
