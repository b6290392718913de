// text/decoders.h -- the `decoder` of a tokenizer.json: the texts of tokens become one text.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "text/component.h"

namespace mop {

/// A step of decoding; what is left at the end is joined.
using Decoder = std::function<std::vector<std::string>(std::vector<std::string>)>;

/// `part` may be null: tokens separated by blanks. Throws Error(kBadInput) on an unknown type.
Decoder make_decoder(const PartJson& part);

/// Runs of tokens <0x00>..<0xFF> become the text of those bytes; each byte of an ill-formed run
/// becomes U+FFFD.
std::vector<std::string> join_byte_tokens(std::vector<std::string> tokens);

std::string join_texts(const std::vector<std::string>& texts);

}  // namespace mop
