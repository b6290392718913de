#include "vision/picture.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "checkpoint/safetensors.h"
#include "kit/random_model.h"
#include "kit/refusal.h"
#include "unit/vision/golden_vision.h"

namespace mop {
namespace {
namespace fs = std::filesystem;
using mop::testing::golden_picture_bytes;
using mop::testing::golden_vision;
using mop::testing::refusal_of;
using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::HasSubstr;

std::string refusal_of_bytes(std::string_view bytes) {
  return refusal_of([&] { decode_picture(bytes); });
}

// The 4 bytes of a number, most significant first.
std::string big_endian(uint32_t value) {
  std::string bytes;
  for (int shift = 24; shift >= 0; shift -= 8) bytes += static_cast<char>(value >> shift);
  return bytes;
}

// A PNG's header with another size; its checksum is not mended, so libpng must not look at it
// first.
uint32_t crc_of(std::string_view bytes) {
  uint32_t crc = 0xffffffff;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc;
}

std::string png_of_size(uint32_t width, uint32_t height) {
  std::string png = golden_picture_bytes("rgb.png");
  png.replace(16, 8, big_endian(width) + big_endian(height));
  return png.replace(29, 4, big_endian(crc_of(png.substr(12, 17))));
}

TEST(Picture, EveryFileHasTheBytesThatPillowReads) {
  const auto expected = SafetensorsFile::open(golden_vision() / "pictures.safetensors");
  size_t files = 0;
  for (const auto& [name, entry] : expected.entries()) {
    SCOPED_TRACE(name);
    const Picture picture = testing::golden_picture(name);
    const at::Tensor theirs_HW3 = expected.tensor(name);
    ASSERT_EQ(theirs_HW3.sizes(), at::IntArrayRef({picture.height, picture.width, 3}));
    const auto* bytes = theirs_HW3.const_data_ptr<uint8_t>();
    EXPECT_TRUE(std::equal(picture.rgb_HW3.begin(), picture.rgb_HW3.end(), bytes));
    ++files;
  }
  EXPECT_GT(files, 35u);
  EXPECT_EQ(files, static_cast<size_t>(
                       std::distance(fs::directory_iterator(golden_vision() / "pictures"), {})));
}

TEST(Picture, IsKnownByItsContentNotByItsName) {
  const testing::TempFolder folder;
  write_file(folder.path() / "a.jpg", golden_picture_bytes("rgb.png"));
  EXPECT_EQ(read_picture(folder.path() / "a.jpg").rgb_HW3,
            testing::golden_picture("rgb.png").rgb_HW3);
}

TEST(Picture, CutAnywhereIsRefused) {
  for (const char* name :
       {"rgb.png", "rgb-interlaced.png", "grey-16.png", "420.jpg", "progressive.jpg", "cmyk.jpg"}) {
    SCOPED_TRACE(name);
    const std::string whole = golden_picture_bytes(name);
    for (size_t size = 12; size < whole.size(); size += 1 + size / 16)
      EXPECT_THAT(refusal_of_bytes(whole.substr(0, size)), HasSubstr("damaged or truncated"));
    // Without the mark of its end.
    EXPECT_THAT(refusal_of_bytes(whole.substr(0, whole.size() - 1)), HasSubstr("ends too early"));
  }
}

TEST(Picture, OtherFormatsAreNamed) {
  const std::pair<std::string, std::string> files[] = {
      {"GIF89a\x01", "GIF"},
      {std::string("RIFF\1\2\3\4WEBPVP8 ", 16), "WebP"},
      {"BM123456", "BMP"},
      {std::string("II*\0abc", 7), "TIFF"},
      {"<svg xmlns=''>", "SVG"}};
  for (const auto& [bytes, name] : files) {
    EXPECT_THAT(refusal_of_bytes(bytes), AllOf(HasSubstr("unsupported image format " + name),
                                               HasSubstr("convert it to PNG or JPEG")));
  }
  EXPECT_THAT(refusal_of_bytes("some text"), HasSubstr("unknown image format"));
  EXPECT_THAT(refusal_of_bytes("RIFF"), HasSubstr("unknown image format"));
  EXPECT_THAT(refusal_of_bytes(""), HasSubstr("file is empty"));
}

TEST(Picture, TooManyPixelsAreRefusedBeforeMemoryIsTaken) {
  EXPECT_THAT(
      refusal_of_bytes(png_of_size(30000, 30000)),
      AllOf(HasSubstr("30000 x 30000 pixels, expected at most 178956970"), HasSubstr("smaller")));
  EXPECT_THAT(refusal_of_bytes(png_of_size(0x7fffffff, 0x7fffffff)),
              HasSubstr("at most 178956970"));
  EXPECT_THAT(refusal_of_bytes(png_of_size(13000, 13000)),
              HasSubstr("too short for 13000 x 13000"));
  std::string jpeg = golden_picture_bytes("420.jpg");
  const size_t frame = jpeg.find("\xff\xc0");
  jpeg.replace(frame + 5, 4, "\x75\x30\x75\x30");
  EXPECT_THAT(refusal_of_bytes(jpeg),
              HasSubstr("30000 x 30000 pixels, expected at most 178956970"));
  jpeg.replace(frame + 5, 4, "\x32\x00\x32\x00", 4);
  EXPECT_THAT(refusal_of_bytes(jpeg), HasSubstr("too short for 12800 x 12800"));
}

TEST(Picture, ErrorsNameTheFile) {
  const testing::TempFolder folder;
  write_file(folder.path() / "a.png", "GIF89a");
  EXPECT_THAT(refusal_of([&] { read_picture(folder.path() / "a.png"); }),
              HasSubstr("picture: " + (folder.path() / "a.png").string()));
  ASSERT_EQ(::mkfifo((folder.path() / "pipe").c_str(), 0600), 0);
  for (const char* name : {"pipe", "absent.png", "."})
    EXPECT_THROW(read_picture(folder.path() / name), Error) << name;
}

TEST(Picture, LibrariesPrintNothing) {
  std::string jpeg = golden_picture_bytes("420.jpg");
  jpeg.insert(jpeg.size() - 2, 40, '\x55');  // a warning: extraneous bytes
  std::string png = golden_picture_bytes("rgb-gamma.png");
  png[png.find("gAMA") + 4] = '\x7f';  // a wrong checksum
  ::testing::internal::CaptureStderr();
  ::testing::internal::CaptureStdout();
  EXPECT_EQ(decode_picture(jpeg).width, 35);
  EXPECT_EQ(decode_picture(png).width, 19);
  refusal_of_bytes(golden_picture_bytes("rgb.png").substr(0, 60));
  refusal_of_bytes(golden_picture_bytes("420.jpg").substr(0, 60));
  EXPECT_EQ(::testing::internal::GetCapturedStdout(), "");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace mop
