// model/activation.h -- activation functions of vision towers and projectors, by transformers'
// names.
#pragma once
#include <ATen/core/Tensor.h>

#include <string_view>

namespace mop {

struct Activation {
  std::string_view name;
  at::Tensor (*apply)(const at::Tensor&);  ///< element-wise; keeps shape and dtype
};

/// Throws Error(kBadInput) with the config key `key` and the supported names.
const Activation& find_activation(std::string_view name, std::string_view key);

}  // namespace mop
