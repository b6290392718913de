// A picture, in a size that a tower would read.
#include <zlib.h>

#include <cstring>

#include "fuzz/target.h"
#include "vision/resample.h"

using namespace mop;

// A PNG file's parts have checksums, which are put right again: a wrong one ends the reading.
extern "C" size_t LLVMFuzzerCustomMutator(uint8_t* data, size_t size, size_t most, unsigned int) {
  constexpr uint8_t kSignature[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  constexpr size_t kHead = 8, kSum = 4;  // length and type before the bytes, the sum behind them
  size = LLVMFuzzerMutate(data, size, most);
  if (size < sizeof kSignature || std::memcmp(data, kSignature, sizeof kSignature) != 0)
    return size;
  for (size_t at = sizeof kSignature; at + kHead + kSum <= size;) {
    const size_t length = size_t{data[at]} << 24 | size_t{data[at + 1]} << 16 |
                          size_t{data[at + 2]} << 8 | data[at + 3];
    if (length > size - at - kHead - kSum) break;
    const uint32_t sum =
        static_cast<uint32_t>(::crc32(0, data + at + kSum, static_cast<uInt>(length + kSum)));
    for (size_t i = 0; i < kSum; ++i)
      data[at + kHead + length + i] = static_cast<uint8_t>(sum >> (24 - 8 * i));
    at += kHead + length + kSum;
  }
  return size;
}

MOP_FUZZ(bytes) {
  const Picture picture = decode_picture(bytes);
  if (picture.rgb_HW3.size() != static_cast<size_t>(picture.width * picture.height * 3))
    std::abort();
  if (picture.width * picture.height < 1 << 20) resize(picture, 9, 7, find_resampling(3));
}
