// model/workspace.h -- memory that a decoder layer works in, kept from one call to the next.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>

namespace mop {

/// The values a layer needs memory for. Those that are never alive together share a row.
enum class Buffer { kNormed, kQueryOrGate, kKeyOrUp, kValue, kCount };

class Workspace {
 public:
  /// [rows, columns] of `like`'s dtype and device, not initialised; valid until the next `take` of
  /// the same buffer.
  at::Tensor take(Buffer buffer, int64_t rows, int64_t columns, const at::Tensor& like);

 private:
  std::array<at::Tensor, static_cast<size_t>(Buffer::kCount)> buffers_;
};

}  // namespace mop
