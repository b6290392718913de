// Compiles and links when LibTorch holds Gloo and its headers need no more of it than we declare.
#define USE_C10D_GLOO
#include <ATen/ATen.h>

#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>

int main() {
  c10d::TCPStoreOptions options;
  c10::intrusive_ptr<c10d::Store> store = c10::make_intrusive<c10d::TCPStore>("localhost", options);
  c10d::ProcessGroupGloo group(store, 0, 1);
  std::vector<at::Tensor> tensors = {at::ones({1})};
  group.allreduce(tensors)->wait();
}
