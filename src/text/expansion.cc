// text/expansion.cc
#include "text/expansion.h"

#include "base/error.h"

namespace mop {

void check_expansion(size_t before, size_t after) {
  constexpr size_t kMostTimes = 64, kAlwaysFine = 64 << 10;
  if (after <= kAlwaysFine || after / kMostTimes <= before) return;
  throw bad_input("the tokenizer makes {} bytes of a text of {}", after, before)
      .hint("its normalizer, pre-tokenizer or decoder inserts too much");
}

}  // namespace mop
