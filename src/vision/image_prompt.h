// vision/image_prompt.h -- pictures in a prompt's token ids: every row of a picture is a token of
// its own, whose id stands behind the vocabulary.
#pragma once
#include <cstdint>
#include <span>
#include <vector>

namespace mop {

/// How pictures become ids. Row k of a table of rows has the id `vocab` + k.
struct ImageTokens {
  int64_t placeholder = 0;     ///< the id of the token that stands for a picture in a prompt
  int64_t vocab = 0;           ///< ids from here on are rows
  int64_t rows_per_image = 0;  ///< consecutive rows of the table for each picture
};

/// `ids` with every placeholder replaced by the ids of the rows of its picture. `images` are the
/// numbers, from 0, that the prompt's pictures have in the table, in the order of the prompt.
/// Throws Error(kBadInput) when there is no placeholder but pictures, or one is more than the
/// other.
std::vector<int64_t> expand_images(std::span<const int64_t> ids, std::span<const int64_t> images,
                                   const ImageTokens& how);

}  // namespace mop
