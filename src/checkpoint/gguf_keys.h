// checkpoint/gguf_keys.h -- what becomes of every metadata key of a GGUF file.
#pragma once
#include <string>
#include <vector>

#include "base/key_fates.h"
#include "checkpoint/gguf.h"

namespace mop {

/// Keys of an architecture begin with "{arch}.", as in llama.cpp's own list.
const FormatKeys& gguf_keys();

/// Throws Error(kBadInput) naming a key that is refused unless its value is the neutral one: 0,
/// false, empty, 1 for a scale.
void refuse_gguf_keys(const GgufFile& file);
/// The keys that the table does not know, in alphabetical order.
std::vector<std::string> unknown_gguf_keys(const GgufFile& file);
/// A line that names them; empty when there is none.
std::string unknown_gguf_keys_note(const GgufFile& file);

}  // namespace mop
