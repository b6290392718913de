// gradient/parameters.h -- all trained tensors in flat float32 memory: one tensor of values, one of
// gradients; each parameter is a view. The norm, the optimizer step, the sum over ranks and a saved
// state are therefore one call each.
//
// Shape letter: P all trained numbers, concatenated.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/family.h"
#include "model/weights.h"

namespace mop {

/// The kind of a trained tensor.
enum class Part {
  kWeight,    ///< a tensor of the model
  kLowRankA,  ///< first factor of a low-rank addition, [R, K]
  kLowRankB   ///< second factor, [O, R]
};

/// Location and initial values of a trained tensor.
struct ParameterSpec {
  std::string name;    ///< name in checkpoint files
  int64_t layer = -1;  ///< index in the model; -1 = not in a layer
  Role role = Role::kCount;
  GlobalRole global = GlobalRole::kCount;
  Part part = Part::kWeight;
  at::Tensor initial = {};  ///< any dtype, CPU; released after it is copied
  bool decays = true;       ///< whether weight decay applies (not to norms and biases)
};

class Parameters {
 public:
  /// Copies the initial values; tensors with weight decay come first in memory.
  Parameters(std::vector<ParameterSpec> specs, const Compute& compute);

  size_t count() const { return specs_.size(); }
  const ParameterSpec& spec(size_t index) const { return specs_[index]; }
  /// Returns the indices of the parameters of one layer; -1 = those not in a layer.
  std::vector<size_t> of_layer(int64_t layer) const;

  /// float32, on the compute device.
  at::Tensor& values_P() { return values_P_; }
  at::Tensor& gradients_P() { return gradients_P_; }
  int64_t numel() const { return values_P_.size(0); }
  /// Number of leading elements to which weight decay applies.
  int64_t decaying() const { return decaying_; }

  /// float32 view of one parameter.
  at::Tensor value(size_t index) const { return view(values_P_, index); }
  at::Tensor gradient(size_t index) const { return view(gradients_P_, index); }
  /// The tensor the layers compute with: compute dtype, an autograd leaf.
  const at::Tensor& leaf(size_t index) const { return leaves_[index]; }
  /// Adds to the gradient of one parameter; does nothing when `gradient` is undefined.
  void add_gradient(size_t index, const at::Tensor& gradient);
  /// The same for several. On a device, small neighbours in memory are added in one operation.
  void add_gradients(std::span<const size_t> indices, std::span<const at::Tensor> gradients);
  /// Copies the values to the leaves. Call after the values have changed.
  void refresh();

 private:
  at::Tensor view(const at::Tensor& flat_P, size_t index) const;
  void set_values();
  std::vector<ParameterSpec> specs_;
  std::vector<int64_t> offsets_;
  std::vector<std::vector<int64_t>> shapes_;
  std::vector<at::Tensor> leaves_;
  at::Tensor values_P_, gradients_P_, computed_P_;
  int64_t decaying_ = 0;
};

}  // namespace mop
