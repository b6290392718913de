// gradient/parameters.h -- everything that is trained, in flat float32 memory: one tensor of
// values, one of gradients, each parameter a view. So the norm, the optimizer, the sum over ranks
// and a saved state are one call each.
//
// Shape letter: P all trained numbers, laid end to end.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "model/family.h"
#include "model/weights.h"

namespace mop {

/// What a trained tensor is.
enum class Part {
  kWeight,    ///< a tensor of the model itself
  kLowRankA,  ///< the first factor of a low-rank addition, [R, K]
  kLowRankB   ///< the second, [O, R]
};

/// Where a trained tensor belongs, and its first values.
struct ParameterSpec {
  std::string name;    ///< as checkpoint files call it
  int64_t layer = -1;  ///< index in the model; -1 = outside the layers
  Role role = Role::kCount;
  GlobalRole global = GlobalRole::kCount;
  Part part = Part::kWeight;
  at::Tensor initial = {};  ///< any dtype, CPU; let go once it is copied
  bool decays = true;       ///< whether weight decay applies (norms and biases: no)
};

class Parameters {
 public:
  /// Copies the initial values; tensors that decay come first in memory.
  Parameters(std::vector<ParameterSpec> specs, const Compute& compute);

  size_t count() const { return specs_.size(); }
  const ParameterSpec& spec(size_t index) const { return specs_[index]; }
  /// Indices of the parameters of one layer; -1 = those outside the layers.
  std::vector<size_t> of_layer(int64_t layer) const;

  /// float32, on the compute device.
  at::Tensor& values_P() { return values_P_; }
  at::Tensor& gradients_P() { return gradients_P_; }
  int64_t numel() const { return values_P_.size(0); }
  /// Leading numbers to which weight decay applies.
  int64_t decaying() const { return decaying_; }

  /// float32 view of one parameter.
  at::Tensor value(size_t index) const { return view(values_P_, index); }
  at::Tensor gradient(size_t index) const { return view(gradients_P_, index); }
  /// What the layers compute with: the compute dtype, a leaf of the gradient.
  const at::Tensor& leaf(size_t index) const { return leaves_[index]; }
  /// Adds to the gradient of one parameter; nothing when `gradient` is undefined.
  void add_gradient(size_t index, const at::Tensor& gradient);
  /// The same for several. On a device small neighbours in memory are added together.
  void add_gradients(std::span<const size_t> indices, std::span<const at::Tensor> gradients);
  /// The leaves follow the values. To be called when those have changed.
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
