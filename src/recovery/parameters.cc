// recovery/parameters.cc
#include "recovery/parameters.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>

#include "base/error.h"

namespace mop {

Parameters::Parameters(std::vector<ParameterSpec> specs, const Compute& compute)
    : specs_(std::move(specs)) {
  if (specs_.empty())
    throw usage_error("nothing would be trained").hint("name at least one target");
  std::stable_partition(specs_.begin(), specs_.end(),
                        [](const ParameterSpec& s) { return s.decays; });
  int64_t numel = 0;
  for (const ParameterSpec& spec : specs_) {
    offsets_.push_back(numel);
    shapes_.push_back(spec.initial.sizes().vec());
    numel += spec.initial.numel();
    if (spec.decays) decaying_ = numel;
  }
  const auto flat = at::TensorOptions().dtype(at::kFloat).device(compute.device);
  values_P_ = at::empty({numel}, flat);
  gradients_P_ = at::zeros({numel}, flat);
  // In float32 the layers compute with the values themselves.
  computed_P_ =
      compute.dtype == at::kFloat ? values_P_ : at::empty({numel}, flat.dtype(compute.dtype));
  for (size_t i = 0; i < specs_.size(); ++i) {
    view(values_P_, i).copy_(specs_[i].initial);
    specs_[i].initial = at::Tensor();
    leaves_.push_back(view(computed_P_, i).detach().requires_grad_());
  }
  refresh();
}

std::vector<size_t> Parameters::of_layer(int64_t layer) const {
  std::vector<size_t> indices;
  for (size_t i = 0; i < specs_.size(); ++i) {
    if (specs_[i].layer == layer) indices.push_back(i);
  }
  return indices;
}

at::Tensor Parameters::view(const at::Tensor& flat_P, size_t index) const {
  int64_t size = 1;
  for (const int64_t length : shapes_[index]) size *= length;
  return flat_P.narrow(0, offsets_[index], size).view(shapes_[index]);
}

void Parameters::add_gradient(size_t index, const at::Tensor& gradient) {
  if (gradient.defined()) this->gradient(index).add_(gradient);
}

void Parameters::refresh() {
  const at::NoGradGuard no_grad;
  if (!computed_P_.is_same(values_P_)) computed_P_.copy_(values_P_);
}

}  // namespace mop
