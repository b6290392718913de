// model/workspace.cc
#include "model/workspace.h"

#include <ATen/ATen.h>

namespace mop {

at::Tensor Workspace::take(Buffer buffer, int64_t rows, int64_t columns, const at::Tensor& like) {
  at::Tensor& memory = buffers_[static_cast<size_t>(buffer)];
  const int64_t needed = rows * columns;
  const bool fits = memory.defined() && memory.scalar_type() == like.scalar_type() &&
                    memory.device() == like.device() && memory.numel() >= needed;
  if (!fits) {
    memory.reset();  // freed first, so that both never exist at once
    memory = at::empty({needed}, like.options());
  }
  return memory.narrow(0, 0, needed).view({rows, columns});
}

}  // namespace mop
