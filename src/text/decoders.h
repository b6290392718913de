// text/decoders.h -- the `decoder` of a tokenizer.json: converts token strings to text.
#pragma once
#include <functional>
#include <string>
#include <vector>

#include "text/component.h"

namespace mop {

/// A decoding step. The strings after the last step are concatenated.
using Decoder = std::function<std::vector<std::string>(std::vector<std::string>)>;

/// Creates a decoder. A null `part` joins the tokens with blanks. Throws Error(kBadInput) on an
/// unknown type.
Decoder make_decoder(const PartJson& part);

/// Replaces runs of tokens <0x00>..<0xFF> by the text of these bytes; in an ill-formed run, each
/// byte becomes U+FFFD.
std::vector<std::string> join_byte_tokens(std::vector<std::string> tokens);

std::string join_texts(const std::vector<std::string>& texts);

}  // namespace mop
