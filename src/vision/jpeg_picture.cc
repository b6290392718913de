// vision/jpeg_picture.cc -- decodes JPEG with libjpeg.
// libjpeg's header needs the includes before it.
// clang-format off
#include <csetjmp>
#include <cstddef>
#include <cstdio>
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include "base/error.h"
#include "vision/picture_formats.h"

namespace mop {
namespace {

// Huffman codes have at least one bit per block of 8 x 8 pixels.
constexpr int64_t kMostPixelsOfByte = 8 * 64;
// A small file with many scans could keep the decoder busy for hours.
constexpr int kMostScans = 500;

// State of libjpeg's callbacks. libjpeg reports errors by longjmp, so no function that calls it
// after setjmp may hold objects with destructors.
struct JpegFile {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf out{};
  char complaint[JMSG_LENGTH_MAX] = "";

  JpegFile();
  JpegFile(const JpegFile&) = delete;
  JpegFile& operator=(const JpegFile&) = delete;
  ~JpegFile() { jpeg_destroy_decompress(&info); }
};

JpegFile& file_of(j_common_ptr info) { return *static_cast<JpegFile*>(info->client_data); }

[[noreturn]] void leave(JpegFile& file, const char* complaint) {
  std::snprintf(file.complaint, sizeof file.complaint, "%s", complaint);
  std::longjmp(file.out, 1);
}

[[noreturn]] void jpeg_fails(j_common_ptr info) {
  char text[JMSG_LENGTH_MAX];
  info->err->format_message(info, text);
  leave(file_of(info), text);
}

// Prints nothing. Levels below 0 are warnings; for libjpeg the end of the data is a warning, and it
// fills the rest with grey.
void jpeg_emits(j_common_ptr info, int level) {
  if (level < 0 && info->err->msg_code == JWRN_JPEG_EOF) leave(file_of(info), "it ends too early");
}

void jpeg_progresses(j_common_ptr info) {
  if (reinterpret_cast<j_decompress_ptr>(info)->input_scan_number > kMostScans)
    leave(file_of(info), "it has more than 500 scans");
}

JpegFile::JpegFile() {
  info.err = jpeg_std_error(&errors);
  errors.error_exit = jpeg_fails;
  errors.emit_message = jpeg_emits;
  progress.progress_monitor = jpeg_progresses;
  info.client_data = this;
}

// Reads the header and requests RGB output, or CMYK if stored so. Returns false on an error of
// libjpeg.
bool read_jpeg_header(JpegFile& file, std::string_view bytes) {
  if (setjmp(file.out) != 0) return false;
  jpeg_create_decompress(&file.info);
  file.info.progress = &file.progress;
  jpeg_mem_src(&file.info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&file.info, TRUE);
  const int colours = file.info.num_components;
  if (colours != 1 && colours != 3 && colours != 4) leave(file, "it is neither grey, RGB nor CMYK");
  file.info.out_color_space = colours == 4 ? JCS_CMYK : JCS_RGB;
  return true;
}

// Pillow's conversion, which assumes inverted inks as stored by Adobe's programs.
void cmyk_to_rgb(const uint8_t* cmyk, uint8_t* rgb, size_t count) {
  for (size_t i = 0; i < count; ++i, cmyk += 4, rgb += 3) {
    for (int colour = 0; colour < 3; ++colour) {
      const unsigned product = (255u - cmyk[colour]) * cmyk[3] + 128;
      rgb[colour] = static_cast<uint8_t>(cmyk[3] - (((product >> 8) + product) >> 8));
    }
  }
}

// Reads the pixels; `row` holds one row of CMYK. Returns false on an error of libjpeg.
bool read_jpeg_rows(JpegFile& file, Picture& picture, uint8_t* row) {
  if (setjmp(file.out) != 0) return false;
  jpeg_start_decompress(&file.info);
  const auto width = static_cast<size_t>(picture.width);
  while (file.info.output_scanline < file.info.output_height) {
    uint8_t* rgb = picture.rgb_HW3.data() + file.info.output_scanline * width * 3;
    JSAMPROW to = row == nullptr ? rgb : row;
    jpeg_read_scanlines(&file.info, &to, 1);
    if (row != nullptr) cmyk_to_rgb(row, rgb, width);
  }
  jpeg_finish_decompress(&file.info);
  return true;
}

Error jpeg_error_of(const JpegFile& file) {
  return bad_input("the JPEG is damaged or truncated: {}", file.complaint);
}

}  // namespace

Picture decode_jpeg(std::string_view bytes) {
  JpegFile file;
  if (!read_jpeg_header(file, bytes)) throw jpeg_error_of(file);
  const int64_t most =
      file.info.arith_code ? kMostPixels : static_cast<int64_t>(bytes.size()) * kMostPixelsOfByte;
  Picture picture = allocate_picture("JPEG", file.info.image_width, file.info.image_height, most);
  std::vector<uint8_t> row(file.info.num_components == 4 ? static_cast<size_t>(picture.width) * 4
                                                         : 0);
  if (!read_jpeg_rows(file, picture, row.empty() ? nullptr : row.data())) throw jpeg_error_of(file);
  return picture;
}

}  // namespace mop
