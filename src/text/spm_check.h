// text/spm_check.h -- validates a SentencePiece model file before the library reads it.
#pragma once
#include <string_view>

namespace mop {

/// The library does not check offsets in the replacement tables, nor scores. Throws
/// Error(kBadInput) naming the damage.
void check_spm(std::string_view bytes);

}  // namespace mop
