// text/post_processor.h -- the `post_processor` of a tokenizer.json: ids around the ids of a text.
#pragma once
#include <cstdint>
#include <vector>

#include "text/component.h"

namespace mop {

struct Surround {
  std::vector<int64_t> before;
  std::vector<int64_t> after;
};

/// A null `part` adds nothing. Throws Error(kBadInput) on an unknown type or a broken template.
Surround read_post_processor(const PartJson& part);

}  // namespace mop
