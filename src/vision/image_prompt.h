// vision/image_prompt.h -- images in a prompt's token ids: every row of an image is a token with an
// id at or above the vocabulary size.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace mop {

/// How images become ids. Row k of the table of rows has the id `vocab` + k.
struct ImageTokens {
  int64_t placeholder = 0;     ///< id of the image placeholder in a prompt
  int64_t vocab = 0;           ///< first id of rows
  int64_t rows_per_image = 0;  ///< consecutive rows of the table per image
};

/// Returns `ids` with every placeholder replaced by the ids of its image's rows. `images` are the
/// indices in the table of the prompt's images, in prompt order. Throws Error(kBadInput) if the
/// numbers of placeholders and images differ.
std::vector<int64_t> expand_images(std::span<const int64_t> ids, std::span<const int64_t> images,
                                   const ImageTokens& how);

}  // namespace mop
