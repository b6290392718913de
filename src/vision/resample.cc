// vision/resample.cc
#include "vision/resample.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <string>

#include "base/error.h"
#include "vision/picture_formats.h"

namespace mop {
namespace {

// Pillow's weights are whole numbers of this many fractional bits: with 8 bits of a pixel and 2 of
// headroom they fill 32.
constexpr int kPrecisionBits = 32 - 8 - 2;

double sinc(double x) {
  if (x == 0.0) return 1.0;
  x *= std::numbers::pi;
  return std::sin(x) / x;
}

double lanczos(double x) { return -3.0 <= x && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0; }

double bilinear(double x) { return std::max(0.0, 1.0 - std::abs(x)); }

// Keys' cubic with a = -0.5.
double bicubic(double x) {
  constexpr double kA = -0.5;
  x = std::abs(x);
  if (x < 1.0) return ((kA + 2.0) * x - (kA + 3.0)) * x * x + 1;
  if (x < 2.0) return (((x - 5) * x + 8) * x - 4) * kA;
  return 0.0;
}

double box(double x) { return x > -0.5 && x <= 0.5 ? 1.0 : 0.0; }

double hamming(double x) {
  x = std::abs(x);
  if (x == 0.0) return 1.0;
  if (x >= 1.0) return 0.0;
  x *= std::numbers::pi;
  return std::sin(x) / x * (0.54 + 0.46 * std::cos(x));
}

constexpr Resampling kResamplings[] = {
    {1, "lanczos", 3.0, lanczos}, {2, "bilinear", 1.0, bilinear}, {3, "bicubic", 2.0, bicubic},
    {4, "box", 0.5, box},         {5, "hamming", 1.0, hamming},
};

// The pixels from `first` on that make one pixel, and their weights.
struct Window {
  int64_t first;
  std::vector<int32_t> weights;
};

int32_t fixed_point(double weight) {
  return static_cast<int32_t>((weight < 0 ? -0.5 : 0.5) + weight * (1 << kPrecisionBits));
}

Window window_at(int64_t place, int64_t from, double scale, const Resampling& resampling) {
  const double stretch = std::max(1.0, scale);
  const double reach = resampling.support * stretch, inverse = 1.0 / stretch;
  const double center = (static_cast<double>(place) + 0.5) * scale;
  const auto first = std::max<int64_t>(0, static_cast<int64_t>(std::floor(center - reach + 0.5)));
  const auto end = std::min(from, static_cast<int64_t>(std::floor(center + reach + 0.5)));
  std::vector<double> weights;
  double sum = 0.0;
  for (int64_t i = first; i < end; ++i) {
    weights.push_back(resampling.weight((static_cast<double>(i) - center + 0.5) * inverse));
    sum += weights.back();
  }
  Window window{first, {}};
  for (const double weight : weights)
    window.weights.push_back(fixed_point(sum != 0.0 ? weight / sum : weight));
  return window;
}

std::vector<Window> windows(int64_t from, int64_t to, const Resampling& resampling) {
  const double scale = static_cast<double>(from) / static_cast<double>(to);
  std::vector<Window> result;
  for (int64_t place = 0; place < to; ++place)
    result.push_back(window_at(place, from, scale, resampling));
  return result;
}

uint8_t rounded(int32_t sum) {
  return static_cast<uint8_t>(std::clamp(sum >> kPrecisionBits, 0, 255));
}

// Where the pixels of a sum of one byte of the result begin, and how far they are apart.
uint8_t weighted(const uint8_t* pixel, size_t step, const std::vector<int32_t>& weights) {
  int32_t sum = 1 << (kPrecisionBits - 1);
  for (const int32_t weight : weights) {
    sum += *pixel * weight;
    pixel += step;
  }
  return rounded(sum);
}

Picture across(const Picture& picture, int64_t width, const Resampling& resampling) {
  Picture result = allocate_picture("result", width, picture.height, kMostPixels);
  const std::vector<Window> all = windows(picture.width, width, resampling);
  uint8_t* to = result.rgb_HW3.data();
  for (int64_t y = 0; y < picture.height; ++y) {
    const uint8_t* row = picture.rgb_HW3.data() + y * picture.width * 3;
    for (const Window& window : all) {
      for (int colour = 0; colour < 3; ++colour)
        *to++ = weighted(row + window.first * 3 + colour, 3, window.weights);
    }
  }
  return result;
}

Picture down(const Picture& picture, int64_t height, const Resampling& resampling) {
  Picture result = allocate_picture("result", picture.width, height, kMostPixels);
  const auto stride = static_cast<size_t>(picture.width) * 3;
  uint8_t* to = result.rgb_HW3.data();
  for (const Window& window : windows(picture.height, height, resampling)) {
    const uint8_t* first = picture.rgb_HW3.data() + static_cast<size_t>(window.first) * stride;
    for (size_t x = 0; x < stride; ++x) *to++ = weighted(first + x, stride, window.weights);
  }
  return result;
}

}  // namespace

const Resampling& find_resampling(int64_t number) {
  std::string known;
  for (const Resampling& row : kResamplings) {
    if (row.number == number) return row;
    known += fmt::format("{}{} ({})", known.empty() ? "" : ", ", row.number, row.name);
  }
  throw bad_input("unsupported resampling: resample is {}{}", number,
                  number == 0 ? " (nearest)" : "")
      .hint("supported: " + known);
}

Picture resize(const Picture& picture, int64_t width, int64_t height,
               const Resampling& resampling) {
  check_pixels(width, height);
  // Pillow 13's rule; the order shows in the bytes, since the first pass rounds.
  const int64_t cut = picture.height - height;
  const bool down_first = cut > 0 && cut > 2 * (picture.width - width);
  Picture result = picture;
  if (down_first && height != result.height) result = down(result, height, resampling);
  if (width != result.width) result = across(result, width, resampling);
  if (height != result.height) result = down(result, height, resampling);
  return result;
}

}  // namespace mop
