// vision/picture.h -- a picture of a file as RGB bytes, as Pillow's Image.open(f).convert("RGB")
// has it.
#pragma once
#include <cstdint>
#include <filesystem>
#include <string_view>
#include <vector>

namespace mop {

/// Pixels row by row from the top left, three bytes each: [height, width, 3].
struct Picture {
  int64_t width = 0, height = 0;
  std::vector<uint8_t> rgb_HW3 = {};
};

/// The most pixels that are read: beyond them Pillow suspects a decompression bomb, too.
inline constexpr int64_t kMostPixels = 178956970;

/// A PNG or JPEG, whatever its name says. As in Pillow's conversion alpha is dropped, 16 bits of
/// colour lose the lower 8, those of grey are clipped to 255, and the orientation of the EXIF
/// header is not applied. Throws Error(kIo) when it cannot be read and Error(kBadInput) naming the
/// file when it is another format, damaged or truncated, or has more than kMostPixels.
Picture read_picture(const std::filesystem::path& file);
/// The same from the file's bytes; the errors name no file.
Picture decode_picture(std::string_view bytes);

}  // namespace mop
