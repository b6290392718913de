// unit/vision/golden_vision.h -- what tools/golden/vision.py made.
#pragma once
#include <filesystem>
#include <string>

#include "base/files.h"
#include "vision/picture.h"

namespace mop::testing {

inline std::filesystem::path golden_vision() {
  return std::filesystem::path(MOP_SOURCE_DIR) / "tests/golden/vision";
}

inline Picture golden_picture(const std::string& name) {
  return read_picture(golden_vision() / "pictures" / name);
}

inline std::string golden_picture_bytes(const std::string& name) {
  return read_file(golden_vision() / "pictures" / name);
}

}  // namespace mop::testing
