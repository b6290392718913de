// text/normalizers.h -- the `normalizer` of a tokenizer.json: text in, text out.
#pragma once
#include <functional>
#include <string>

#include "text/component.h"

namespace mop {

using Normalizer = std::function<std::string(std::string)>;

/// `part` may be null: the text as it is. Throws Error(kBadInput) on an unknown type.
Normalizer make_normalizer(const PartJson& part);

}  // namespace mop
