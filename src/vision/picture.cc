// vision/picture.cc
#include "vision/picture.h"

#include <string>

#include "base/error.h"
#include "base/files.h"
#include "vision/picture_formats.h"

namespace mop {
namespace {

using namespace std::string_view_literals;

struct Format {
  std::string_view name, signature;
  size_t at;                            // offset of the signature
  Picture (*decode)(std::string_view);  // null = not supported
};

constexpr Format kFormats[] = {
    {"PNG", "\x89PNG\r\n\x1a\n"sv, 0, decode_png},
    {"JPEG", "\xff\xd8\xff"sv, 0, decode_jpeg},
    {"GIF", "GIF8"sv, 0, nullptr},
    {"WebP", "WEBP"sv, 8, nullptr},
    {"BMP", "BM"sv, 0, nullptr},
    {"TIFF", "II*\0"sv, 0, nullptr},
    {"TIFF", "MM\0*"sv, 0, nullptr},
    {"AVIF", "ftypavi"sv, 4, nullptr},
    {"HEIC", "ftyphe"sv, 4, nullptr},
    {"JPEG 2000", "\0\0\0\x0cjP  "sv, 0, nullptr},
    {"SVG", "<svg"sv, 0, nullptr},
    {"SVG", "<?xml"sv, 0, nullptr},
};

}  // namespace

void check_pixels(int64_t width, int64_t height) {
  if (height <= kMostPixels / width) return;
  throw bad_input("the image has {} x {} pixels, expected at most {}", width, height, kMostPixels)
      .hint("make it smaller");
}

Picture allocate_picture(std::string_view format, int64_t width, int64_t height,
                         int64_t most_pixels) {
  check_pixels(width, height);
  if (width * height > most_pixels) {
    throw bad_input("the {} is truncated: it is too short for {} x {} pixels", format, width,
                    height);
  }
  return {width, height, std::vector<uint8_t>(static_cast<size_t>(width * height * 3))};
}

Picture decode_picture(std::string_view bytes) {
  if (bytes.empty()) throw bad_input("the image file is empty");
  for (const Format& format : kFormats) {
    if (bytes.size() < format.at || !bytes.substr(format.at).starts_with(format.signature))
      continue;
    if (format.decode != nullptr) return format.decode(bytes);
    throw bad_input("unsupported image format {}, expected PNG or JPEG", format.name)
        .hint("convert it to PNG or JPEG");
  }
  throw bad_input("unknown image format, expected PNG or JPEG").hint("convert it to PNG or JPEG");
}

Picture read_picture(const std::filesystem::path& file) {
  const std::string bytes = read_file(file);
  try {
    return decode_picture(bytes);
  } catch (Error& e) {
    throw std::move(e).where("picture", file.string());
  }
}

}  // namespace mop
