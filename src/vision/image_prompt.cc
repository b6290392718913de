// vision/image_prompt.cc
#include "vision/image_prompt.h"

#include <algorithm>

#include "base/error.h"

namespace mop {
namespace {

constexpr const char* kHint = "write <image> where a picture belongs, once for each";

void check_counts(int64_t placeholders, int64_t images, const ImageTokens& how) {
  if (placeholders == images) return;
  if (placeholders == 0)
    throw bad_input("the prompt has no image token (id {}), and {} image{} given", how.placeholder,
                    images, images == 1 ? " is" : "s are")
        .hint(kHint);
  throw bad_input("the prompt has {} image token{} (id {}), and {} image{} given", placeholders,
                  placeholders == 1 ? "" : "s", how.placeholder, images,
                  images == 1 ? " is" : "s are")
      .hint(kHint);
}

}  // namespace

std::vector<int64_t> expand_images(std::span<const int64_t> ids, std::span<const int64_t> images,
                                   const ImageTokens& how) {
  check_counts(std::ranges::count(ids, how.placeholder), std::ssize(images), how);
  std::vector<int64_t> expanded;
  expanded.reserve(ids.size() + images.size() * static_cast<size_t>(how.rows_per_image));
  auto image = images.begin();
  for (const int64_t id : ids) {
    if (id != how.placeholder) {
      expanded.push_back(id);
      continue;
    }
    const int64_t first = how.vocab + *image++ * how.rows_per_image;
    for (int64_t row = 0; row < how.rows_per_image; ++row) expanded.push_back(first + row);
  }
  return expanded;
}

}  // namespace mop
