// vision/projector.cc
#include "vision/projector.h"

#include <ATen/ops/linear.h>

#include <string>
#include <utility>

#include "vision/needed_tensors.h"

namespace mop {
namespace {

const std::string kFirst = "multi_modal_projector.linear_1";
const std::string kSecond = "multi_modal_projector.linear_2";

}  // namespace

Projector::Projector(std::shared_ptr<const Checkpoint> checkpoint, const Json& config,
                     int64_t features)
    : checkpoint_(std::move(checkpoint)) {
  const std::string where = "config.json";
  activation_ = &find_activation(get_or<std::string>(config, "projector_hidden_act", "gelu", where),
                                 "projector_hidden_act");
  bias_ = get_or<bool>(config, "multimodal_projector_bias", true, where);
  if (checkpoint_->has(kFirst + ".weight")) {
    const std::vector<int64_t>& shape = checkpoint_->entry(kFirst + ".weight").shape;
    width_ = shape.empty() ? 0 : shape.front();
  }
  std::vector<NeededTensor> needed = {{kFirst + ".weight", {width_, features}},
                                      {kSecond + ".weight", {width_, width_}}};
  if (bias_) {
    needed.push_back({kFirst + ".bias", {width_}});
    needed.push_back({kSecond + ".bias", {width_}});
  }
  check_tensors(*checkpoint_, needed);
}

at::Tensor Projector::project(const at::Tensor& features, const Compute& compute) const {
  const auto map = [&](const std::string& name, const at::Tensor& x) {
    const auto load = [&](const char* part) {
      return load_tensor(*checkpoint_, name + part, compute);
    };
    return at::linear(x, load(".weight"), bias_ ? load(".bias") : at::Tensor());
  };
  return map(kSecond, activation_->apply(map(kFirst, features)));
}

}  // namespace mop
