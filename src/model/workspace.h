// model/workspace.h -- temporaries of a decoder layer, reused between calls.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

namespace mop {

/// The temporaries of a layer. Those that never exist at the same time share a buffer.
enum class Buffer { kNormed, kQueryOrGate, kKeyOrUp, kValue, kCount };

class Workspace {
 public:
  /// Returns an uninitialised [rows, columns] tensor of `like`'s dtype and device; valid until the
  /// next `take` of the same buffer.
  at::Tensor take(Buffer buffer, int64_t rows, int64_t columns, const at::Tensor& like);

 private:
  std::array<at::Tensor, static_cast<size_t>(Buffer::kCount)> buffers_;
};

}  // namespace mop
