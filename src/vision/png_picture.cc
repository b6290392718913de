// vision/png_picture.cc -- decodes PNG with libpng.
#include <png.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/error.h"
#include "vision/picture_formats.h"

namespace mop {
namespace {

// Maximum expansion factor of deflate.
constexpr int64_t kMostInflation = 1032;

// State of libpng's callbacks. libpng reports errors by longjmp, so no function that calls it after
// setjmp may hold objects with destructors.
struct PngFile {
  std::string_view rest;  // unread bytes
  char complaint[200] = "";
  png_structp png = nullptr;
  png_infop info = nullptr;

  explicit PngFile(std::string_view bytes);
  PngFile(const PngFile&) = delete;
  PngFile& operator=(const PngFile&) = delete;
  ~PngFile() { png_destroy_read_struct(&png, &info, nullptr); }
};

[[noreturn]] void png_fails(png_structp png, png_const_charp message) {
  auto& file = *static_cast<PngFile*>(png_get_error_ptr(png));
  std::snprintf(file.complaint, sizeof file.complaint, "%s", message);
  png_longjmp(png, 1);
}

void png_warns(png_structp, png_const_charp) {}

void give_png_bytes(png_structp png, png_bytep to, size_t size) {
  auto& file = *static_cast<PngFile*>(png_get_io_ptr(png));
  if (file.rest.size() < size) png_error(png, "it ends too early");
  std::memcpy(to, file.rest.data(), size);
  file.rest.remove_prefix(size);
}

PngFile::PngFile(std::string_view bytes) : rest(bytes) {
  png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, png_fails, png_warns);
  info = png == nullptr ? nullptr : png_create_info_struct(png);
  if (info == nullptr) {
    png_destroy_read_struct(&png, nullptr, nullptr);
    throw internal_error("the version of libpng differs from its header");
  }
}

bool is_grey_16(const PngFile& file) {
  return png_get_color_type(file.png, file.info) == PNG_COLOR_TYPE_GRAY &&
         png_get_bit_depth(file.png, file.info) == 16;
}

// Reads the header and requests 8-bit RGB, or 16-bit grey if stored so. Returns false on an error
// of libpng.
bool read_png_header(PngFile& file) {
  if (setjmp(png_jmpbuf(file.png)) != 0) return false;
  png_set_read_fn(file.png, &file, give_png_bytes);
  png_set_user_limits(file.png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
  // Only pixels and the palette are read; texts and profiles are not inflated.
  png_set_keep_unknown_chunks(file.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(file.png, file.info);
  const auto colour = png_get_color_type(file.png, file.info);
  if (!is_grey_16(file)) {
    png_set_strip_16(file.png);
    png_set_strip_alpha(file.png);
    if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(file.png);
    if (colour == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(file.png);
    if ((colour & PNG_COLOR_MASK_COLOR) == 0) png_set_gray_to_rgb(file.png);
  }
  return true;
}

// Reads the pixels, with rows `stride` bytes apart. Returns false on an error of libpng.
bool read_png_rows(PngFile& file, uint8_t* pixels, size_t stride, int64_t height) {
  if (setjmp(png_jmpbuf(file.png)) != 0) return false;
  const int passes = png_set_interlace_handling(file.png);
  png_read_update_info(file.png, file.info);
  if (png_get_rowbytes(file.png, file.info) != stride) png_error(file.png, "rows of another size");
  for (int pass = 0; pass < passes; ++pass) {
    for (int64_t y = 0; y < height; ++y)
      png_read_row(file.png, pixels + static_cast<size_t>(y) * stride, nullptr);
  }
  png_read_end(file.png, nullptr);
  return true;
}

Error png_error_of(const PngFile& file) {
  return bad_input("the PNG is damaged or truncated: {}", file.complaint);
}

void read_grey_16(PngFile& file, Picture& picture) {
  std::vector<uint8_t> grey(picture.rgb_HW3.size() / 3 * 2);
  if (!read_png_rows(file, grey.data(), static_cast<size_t>(picture.width) * 2, picture.height))
    throw png_error_of(file);
  for (size_t i = 0; i < grey.size() / 2; ++i) {
    const uint8_t clipped = grey[2 * i] != 0 ? 255 : grey[2 * i + 1];
    std::fill_n(picture.rgb_HW3.begin() + static_cast<int64_t>(3 * i), 3, clipped);
  }
}

}  // namespace

Picture decode_png(std::string_view bytes) {
  PngFile file(bytes);
  if (!read_png_header(file)) throw png_error_of(file);
  const int64_t width = png_get_image_width(file.png, file.info);
  const int64_t bits =
      std::max<int64_t>(1, static_cast<int64_t>(png_get_bit_depth(file.png, file.info)) *
                               png_get_channels(file.png, file.info));
  Picture picture =
      allocate_picture("PNG", width, png_get_image_height(file.png, file.info),
                       static_cast<int64_t>(bytes.size()) * kMostInflation * 8 / bits);
  if (is_grey_16(file)) {
    read_grey_16(file, picture);
  } else if (!read_png_rows(file, picture.rgb_HW3.data(), static_cast<size_t>(width) * 3,
                            picture.height)) {
    throw png_error_of(file);
  }
  return picture;
}

}  // namespace mop
