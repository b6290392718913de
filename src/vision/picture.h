// vision/picture.h -- decodes an image file to RGB, equal to Pillow's Image.open(f).convert("RGB").
#pragma once
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace mop {

/// RGB pixels, row by row from the top left: [height, width, 3].
struct Picture {
  int64_t width = 0, height = 0;
  std::vector<uint8_t> rgb_HW3 = {};
};

/// Maximum number of pixels, equal to Pillow's limit for decompression bombs.
inline constexpr int64_t kMostPixels = 178956970;

/// Reads a PNG or JPEG, recognised by its contents. As in Pillow's conversion, alpha is dropped,
/// 16-bit colour loses the lower 8 bits, 16-bit grey is clipped to 255, and the EXIF orientation is
/// not applied. Throws Error(kIo) if the file cannot be read, and Error(kBadInput) naming the file
/// for another format, a damaged or truncated file, or more than kMostPixels pixels.
Picture read_picture(const std::filesystem::path& file);
/// The same for the bytes of a file; errors name no file.
Picture decode_picture(std::string_view bytes);

}  // namespace mop
