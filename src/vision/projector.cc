// vision/projector.cc
#include "vision/projector.h"

#include <ATen/ops/linear.h>

#include <string>
#include <utility>

#include "model/activation.h"
#include "vision/load_tensor.h"

namespace mop {

Projector::Projector(std::shared_ptr<const Checkpoint> checkpoint, ProjectorConfig config)
    : checkpoint_(std::move(checkpoint)), config_(std::move(config)) {}

at::Tensor Projector::project(const at::Tensor& features, const Compute& compute) const {
  const auto map = [&](const std::string& name, const at::Tensor& x) {
    const auto load = [&](const char* part) {
      return load_tensor(*checkpoint_, "multi_modal_projector." + name + part, compute);
    };
    return at::linear(x, load(".weight"), config_.bias ? load(".bias") : at::Tensor());
  };
  const Activation& activation = find_activation(config_.activation, "projector_hidden_act");
  return map("linear_2", activation.apply(map("linear_1", features)));
}

}  // namespace mop
