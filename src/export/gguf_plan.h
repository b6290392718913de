// export/gguf_plan.h -- the contents of a model's GGUF file, determined before anything is written.
#pragma once
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/gguf.h"
#include "checkpoint/gguf_names.h"
#include "model/model.h"

namespace mop {

struct GgufPlannedTensor {
  GgufTensorSpec spec;
  std::function<at::Tensor(const Model&)> value;  ///< computed when called; any floating dtype
};

struct GgufPlan {
  const GgufArchitecture* architecture;
  GgufMetadata metadata;
  std::vector<GgufPlannedTensor> tensors;
  std::vector<std::string> notes;  ///< notices for users of the file, one line each
};

/// If `type` is unset, matrices keep their stored dtype. Norms and biases are always float32.
/// Throws Error(kBadInput) for models that llama.cpp cannot express.
GgufPlan plan_gguf(const Model& model, std::optional<GgmlType> type);

}  // namespace mop
