// collectives/buckets.h -- sends many small tensors together: consecutive tensors of one dtype as
// one flat tensor of limited size.
#pragma once
#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <span>
#include <vector>

#include "base/error.h"

namespace mop {

inline constexpr int64_t kBucketElements = int64_t{16} << 20;

inline at::ScalarType travel_type(const at::Tensor& tensor) {
  const at::ScalarType type = tensor.scalar_type();
  if (type == at::kDouble || type == at::kLong) return type;
  if (at::isFloatingType(type)) return at::kFloat;
  throw internal_error("a tensor of type {} cannot be sent to other ranks", at::toString(type));
}

/// Copies the tensors of `bucket` into a flat tensor on `device`, calls send(flat), and copies the
/// result back.
template <typename Send>
void send_bucket(std::span<const at::Tensor> bucket, int64_t elements, at::Device device,
                 const Send& send) {
  const at::Tensor flat =
      at::empty({elements}, at::TensorOptions().dtype(travel_type(bucket[0])).device(device));
  int64_t at = 0;
  for (const at::Tensor& t : bucket) {
    flat.narrow(0, at, t.numel()).copy_(t.reshape({-1}));
    at += t.numel();
  }
  send(flat);
  at = 0;
  for (const at::Tensor& t : bucket) {
    t.copy_(flat.narrow(0, at, t.numel()).view(t.sizes()));
    at += t.numel();
  }
}

template <typename Send>
void for_each_bucket(const std::vector<at::Tensor>& tensors, at::Device device, const Send& send) {
  const c10::NoGradGuard no_grad;
  for (size_t begin = 0; begin < tensors.size();) {
    size_t end = begin;
    int64_t elements = 0;
    const at::ScalarType type = travel_type(tensors[begin]);
    do {
      elements += tensors[end++].numel();
    } while (end < tensors.size() && travel_type(tensors[end]) == type &&
             elements + tensors[end].numel() <= kBucketElements);
    if (elements > 0) {
      send_bucket(std::span(tensors).subspan(begin, end - begin), elements, device, send);
    }
    begin = end;
  }
}

}  // namespace mop
