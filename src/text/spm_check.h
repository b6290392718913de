// text/spm_check.h -- a SentencePiece model file checked before the library sees it.
#pragma once
#include <string_view>

namespace mop {

/// The library follows the positions in a model's tables of replacements without looking where they
/// lead, and takes scores as they are. Throws Error(kBadInput) saying what is damaged.
void check_spm(std::string_view bytes);

}  // namespace mop
