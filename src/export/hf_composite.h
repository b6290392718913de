// export/hf_composite.h -- writes a pruned language model as part of its composite model (LLaVA);
// the other parts are copied byte for byte under their names.
#pragma once
#include "checkpoint/tensor_names.h"
#include "export/modelling_code.h"
#include "model/composite.h"
#include "model/model.h"

namespace mop {

/// Returns the complete config.json: the source's, with `language_model` as its text_config and the
/// same dtype.
Json composite_config(const Model& model, Json language_model);

/// Returns the language model's section of a written config: the complete config or its
/// text_config.
const Json& language_section(const Json& config);

/// Returns the tensor names of written files: those of the source or, if modelling code is needed,
/// transformers' newer names, since transformers does not rename old files for custom code.
const NameLayout& written_layout(const Model& model);

/// Returns the modelling code of a composite model whose language model has layers that differ.
ModellingCode per_layer_composite_code(const Family& family, const CompositeKind& kind);

}  // namespace mop
