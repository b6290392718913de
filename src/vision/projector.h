// vision/projector.h -- LLaVA's projector: features of a tower -> rows of the language model.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>

#include "base/json.h"
#include "checkpoint/checkpoint.h"
#include "model/weights.h"
#include "vision/activation.h"

namespace mop {

/// Two linear maps with an activation between them (LLaVA-1.5, arXiv 2310.03744).
class Projector {
 public:
  /// For features of that width. Reads `projector_hidden_act` and `multimodal_projector_bias` of
  /// `config`, a model's config.json. Throws Error(kBadInput) listing tensors that are missing or of
  /// other shapes.
  Projector(std::shared_ptr<const Checkpoint> checkpoint, const Json& config, int64_t features);

  /// Width of the rows: the hidden size of the language model.
  int64_t width() const { return width_; }
  /// [..., features] -> [..., width], in the compute dtype on its device.
  at::Tensor project(const at::Tensor& features, const Compute& compute) const;

 private:
  std::shared_ptr<const Checkpoint> checkpoint_;
  const Activation* activation_;
  bool bias_;
  int64_t width_ = 0;
};

}  // namespace mop
