// tensor/ggml_super_blocks.cc -- formats with super-blocks of 256 values: one half-precision scale
// for the small integer scales of 8 or 16 groups.
#include <array>

#include "tensor/ggml_block_loop.h"

namespace mop {
namespace {

constexpr int kSuper = 256;

inline void scaled(float scale, const int* quants, int count, float* to) {
  for (int i = 0; i < count; ++i) to[i] = scale * static_cast<float>(quants[i]);
}

inline void scaled(float scale, float least, const int* quants, int count, float* to) {
  for (int i = 0; i < count; ++i) to[i] = scale * static_cast<float>(quants[i]) - least;
}

// Value i of a half super-block of two-bit quants is in bits 2(i/32) of byte i%32.
inline int two_bits(const uint8_t* half, int i) { return (half[i % 32] >> (i / 32 * 2)) & 3; }

// [scales and minima of 16 groups: 16][quants: 64][scale][scale of the minima]
inline void q2_k(const uint8_t* from, float* to) {
  const float scale = half_at(from + 80), least = half_at(from + 82);
  int quants[kSuper];
  for (int i = 0; i < kSuper; ++i) quants[i] = two_bits(from + 16 + i / 128 * 32, i % 128);
  for (int group = 0; group < 16; ++group) {
    scaled(scale * static_cast<float>(from[group] & 15),
           least * static_cast<float>(from[group] >> 4), quants + group * 16, 16, to + group * 16);
  }
}

// [third bits: 32][quants: 64][scales: 12][scale]. The low four bits of the 16 six-bit scales are
// in the first 8 bytes, the upper two in the last 4.
inline void q3_k(const uint8_t* from, float* to) {
  const uint8_t *high = from, *low = from + 32, *scales = from + 96;
  const float scale = half_at(from + 108);
  int quants[kSuper];
  for (int i = 0; i < kSuper; ++i) {
    const int third = (high[i % 32] >> (i / 32)) & 1;
    quants[i] = two_bits(low + i / 128 * 32, i % 128) - (third ^ 1) * 4;
  }
  for (int group = 0; group < 16; ++group) {
    const int bits = ((scales[group % 8] >> (group / 8 * 4)) & 15) |
                     (((scales[8 + group % 4] >> (group / 4 * 2)) & 3) << 4);
    scaled(scale * static_cast<float>(bits - 32), quants + group * 16, 16, to + group * 16);
  }
}

struct GroupScales {
  std::array<int, 8> scale, least;
};

// Unpacks the six-bit scales and minima of q4_k and q5_k from 12 bytes.
inline GroupScales unpack_scales(const uint8_t* from) {
  GroupScales all;
  for (size_t i = 0; i < 4; ++i) {
    const int d = from[i], m = from[i + 4], both = from[i + 8];
    all.scale[i] = d & 63, all.least[i] = m & 63;
    all.scale[i + 4] = (both & 15) | ((d >> 2) & 48);
    all.least[i + 4] = (both >> 4) | ((m >> 2) & 48);
  }
  return all;
}

// Returns value i of four-bit quants, stored 64 values per 32 bytes.
inline int four_bits(const uint8_t* from, int i) {
  return (from[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4)) & 15;
}

inline void by_eight_groups(const uint8_t* from, const int* quants, float* to) {
  const float scale = half_at(from), least = half_at(from + 2);
  const GroupScales groups = unpack_scales(from + 4);
  for (size_t group = 0; group < 8; ++group) {
    scaled(scale * static_cast<float>(groups.scale[group]),
           least * static_cast<float>(groups.least[group]), quants + group * 32, 32,
           to + group * 32);
  }
}

// [scale][scale of the minima][scales: 12][quants: 128]
inline void q4_k(const uint8_t* from, float* to) {
  int quants[kSuper];
  for (int i = 0; i < kSuper; ++i) quants[i] = four_bits(from + 16, i);
  by_eight_groups(from, quants, to);
}

// [scale][scale of the minima][scales: 12][fifth bits: 32][quants: 128]
inline void q5_k(const uint8_t* from, float* to) {
  const uint8_t *high = from + 16, *low = from + 48;
  int quants[kSuper];
  for (int i = 0; i < kSuper; ++i) {
    quants[i] = four_bits(low, i) | (((high[i % 32] >> (i / 32)) & 1) << 4);
  }
  by_eight_groups(from, quants, to);
}

// [low four bits: 128][upper two bits: 64][scales of 16 groups: 16][scale]
inline void q6_k(const uint8_t* from, float* to) {
  const float scale = half_at(from + 208);
  int quants[kSuper];
  for (int i = 0; i < kSuper; ++i) {
    const int low = (from[i / 128 * 64 + i % 64] >> (i / 64 % 2 * 4)) & 15;
    const int high = two_bits(from + 128 + i / 128 * 32, i % 128);
    quants[i] = (low | (high << 4)) - 32;
  }
  for (int group = 0; group < 16; ++group) {
    const auto own = static_cast<int8_t>(from[192 + group]);
    scaled(scale * static_cast<float>(own), quants + group * 16, 16, to + group * 16);
  }
}

// [scale][upper scale bits: 2][lower scale bits: 4][quants: 128]
inline void iq4_xs(const uint8_t* from, float* to) {
  const float scale = half_at(from);
  const int upper = from[2] | (from[3] << 8);
  for (int group = 0; group < 8; ++group) {
    const int low = (from[4 + group / 2] >> (group % 2 * 4)) & 15;
    const int own = (low | (((upper >> (group * 2)) & 3) << 4)) - 32;
    const float group_scale = scale * static_cast<float>(own);
    const uint8_t* quants = from + 8 + group * 16;
    for (int i = 0; i < 16; ++i) {
      to[group * 32 + i] = group_scale * static_cast<float>(kIq4Levels[quants[i] & 15]);
      to[group * 32 + i + 16] = group_scale * static_cast<float>(kIq4Levels[quants[i] >> 4]);
    }
  }
}

}  // namespace

const BlockFormat kQ2K = block_format<q2_k, kSuper, 84>();
const BlockFormat kQ3K = block_format<q3_k, kSuper, 110>();
const BlockFormat kQ4K = block_format<q4_k, kSuper, 144>();
const BlockFormat kQ5K = block_format<q5_k, kSuper, 176>();
const BlockFormat kQ6K = block_format<q6_k, kSuper, 210>();
const BlockFormat kIq4Xs = block_format<iq4_xs, kSuper, 136>();

}  // namespace mop
