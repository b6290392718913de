// vision/projector.h -- LLaVA's projector: features of a tower -> rows of the language model's
// input.
#pragma once
#include <ATen/core/Tensor.h>

#include <memory>

#include "checkpoint/checkpoint.h"
#include "model/vision_config.h"
#include "model/weights.h"

namespace mop {

/// Two linear layers with an activation between them (LLaVA-1.5, arXiv 2310.03744).
class Projector {
 public:
  /// The checkpoint must contain the projector's tensors.
  Projector(std::shared_ptr<const Checkpoint> checkpoint, ProjectorConfig config);

  const ProjectorConfig& config() const { return config_; }
  /// [..., features] -> [..., width], in the compute dtype on its device.
  at::Tensor project(const at::Tensor& features, const Compute& compute) const;

 private:
  std::shared_ptr<const Checkpoint> checkpoint_;
  ProjectorConfig config_;
};

}  // namespace mop
