// text/normalizers.h -- the `normalizer` of a tokenizer.json.
#pragma once
#include <functional>
#include <string>

#include "text/component.h"

namespace mop {

using Normalizer = std::function<std::string(std::string)>;

/// A null `part` returns the text unchanged. Throws Error(kBadInput) on an unknown type.
Normalizer make_normalizer(const PartJson& part);

}  // namespace mop
