// model/activation.h -- the activations of vision towers and projectors, by transformers' names.
#pragma once
#include <ATen/core/Tensor.h>

#include <string_view>

namespace mop {

struct Activation {
  std::string_view name;
  at::Tensor (*apply)(const at::Tensor&);  ///< any shape and floating type, the same of both
};

/// Throws Error(kBadInput) naming `key` and the known ones.
const Activation& find_activation(std::string_view name, std::string_view key);

}  // namespace mop
