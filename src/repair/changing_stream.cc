// repair/changing_stream.cc
#include "repair/changing_stream.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "tensor/scratch.h"

namespace mop {
namespace {

// Overwrites `hidden_ND` only if the caller holds no other reference.
at::Tensor run(const Model& model, const Compute& compute, const Packing& packing, int64_t layer,
               at::Tensor hidden_ND, const ForwardOptions& options = {}) {
  WeightLoader weights(model, compute, WeightLoader::Keep::kOne);
  return run_layer_range(weights, std::move(hidden_ND), packing, layer, layer + 1, options);
}

}  // namespace

ChangingStream::ChangingStream(const Model& model, const Compute& compute, const Packing& packing,
                               std::filesystem::path scratch, at::Tensor entering_ND)
    : model_(model),
      compute_(compute),
      packing_(packing),
      scratch_(std::move(scratch)),
      layers_(model.layers()),
      hidden_ND_(std::move(entering_ND)) {}

void ChangingStream::look(const Model& model, int64_t layer, const ForwardOptions& options) const {
  run(model, compute_, packing_, layer, hidden_ND_, options);
}

void ChangingStream::pass(const Model& model, int64_t layer) {
  hidden_ND_ = run(model, compute_, packing_, layer, std::move(hidden_ND_));
}

void ChangingStream::change(int64_t layer, Role role, const at::Tensor& value) {
  if (!at::isfinite(value).all().item<bool>()) {
    throw bad_input("layer {} would get weights that are not finite", source(layer))
        .hint("more calibration text, or a larger damping");
  }
  layers_[static_cast<size_t>(layer)].changed[role] = in_scratch(value, scratch_);
}

void ChangingStream::replace(int64_t layer, Layer changed) {
  layers_[static_cast<size_t>(layer)] = std::move(changed);
}

}  // namespace mop
