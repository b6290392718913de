// model/activation.cc
#include "model/activation.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/silu.h>

#include <string>

#include "base/error.h"

namespace mop {
namespace {

at::Tensor exact_gelu(const at::Tensor& x) { return at::gelu(x); }
at::Tensor tanh_gelu(const at::Tensor& x) { return at::gelu(x, "tanh"); }
at::Tensor quick_gelu(const at::Tensor& x) { return at::sigmoid(x * 1.702).mul_(x); }
at::Tensor relu(const at::Tensor& x) { return at::relu(x); }
at::Tensor silu(const at::Tensor& x) { return at::silu(x); }

constexpr Activation kActivations[] = {
    {"quick_gelu", quick_gelu},
    {"gelu", exact_gelu},
    {"gelu_new", tanh_gelu},
    {"gelu_pytorch_tanh", tanh_gelu},
    {"relu", relu},
    {"silu", silu},
    {"swish", silu},
};

}  // namespace

const Activation& find_activation(std::string_view name, std::string_view key) {
  std::string known;
  for (const Activation& row : kActivations) {
    if (row.name == name) return row;
    known += (known.empty() ? "" : ", ") + std::string(row.name);
  }
  throw bad_input("unsupported activation: {} is '{}'", key, name).hint("supported: " + known);
}

}  // namespace mop
