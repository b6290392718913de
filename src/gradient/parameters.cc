// gradient/parameters.cc
#include "gradient/parameters.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "tensor/upload.h"

namespace mop {
namespace {

// Per-tensor overhead exceeds the cost of the elements.
bool is_small(int64_t numel) { return numel <= int64_t{1} << 20; }

}  // namespace

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
  // In float32 the layers use the values directly.
  computed_P_ =
      compute.dtype == at::kFloat ? values_P_ : at::empty({numel}, flat.dtype(compute.dtype));
  set_values();
  for (size_t i = 0; i < specs_.size(); ++i) {
    leaves_.push_back(view(computed_P_, i).detach().requires_grad_());
  }
  refresh();
}

// Uploads small tensors together, and large ones in their stored dtype.
void Parameters::set_values() {
  const bool on_cpu = values_P_.is_cpu();
  std::vector<at::Tensor> small;
  int64_t begin = 0;
  const auto send = [&] {
    if (small.empty()) return;
    const at::Tensor all = at::cat(std::exchange(small, {}));
    values_P_.narrow(0, begin, all.size(0)).copy_(upload(all, values_P_.device()));
  };
  for (size_t i = 0; i < specs_.size(); ++i) {
    const at::Tensor initial = std::exchange(specs_[i].initial, {});
    if (!on_cpu && is_small(initial.numel())) {
      if (small.empty()) begin = offsets_[i];
      small.push_back(initial.reshape({-1}).to(at::kFloat));
      continue;
    }
    send();
    view(values_P_, i).copy_(on_cpu ? initial : initial.to(values_P_.device()));
  }
  send();
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

void Parameters::add_gradients(std::span<const size_t> indices,
                               std::span<const at::Tensor> gradients) {
  const auto joins = [&](size_t n) {
    return !gradients_P_.is_cpu() && gradients[n].defined() && is_small(gradients[n].numel());
  };
  for (size_t n = 0; n < indices.size();) {
    std::vector<at::Tensor> run;
    int64_t numel = 0;
    const size_t first = n;
    while (n < indices.size() && joins(n) && indices[n] == indices[first] + run.size()) {
      numel += gradients[n].numel();
      run.push_back(gradients[n++].reshape({-1}));
    }
    if (run.size() > 1) {
      gradients_P_.narrow(0, offsets_[indices[first]], numel).add_(at::cat(run));
    } else {
      add_gradient(indices[first], gradients[first]);
      n = first + 1;
    }
  }
}

void Parameters::refresh() {
  const at::NoGradGuard no_grad;
  if (!computed_P_.is_same(values_P_)) computed_P_.copy_(values_P_);
}

}  // namespace mop
