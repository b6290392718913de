// export/gguf_plan.h -- what a GGUF file of a model will hold, before anything is written.
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
  std::function<at::Tensor(const Model&)> value;  ///< gathered when called, any float dtype
};

struct GgufPlan {
  const GgufArchitecture* architecture;
  GgufMetadata metadata;
  std::vector<GgufPlannedTensor> tensors;
  std::vector<std::string> notes;  ///< what users of the file should know, a line each
};

/// `type` unset: matrices as stored. Norms and biases are always float32. Throws Error(kBadInput)
/// for what llama.cpp cannot express, before anything is written.
GgufPlan plan_gguf(const Model& model, std::optional<GgmlType> type);

}  // namespace mop
