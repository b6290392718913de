// tests/kit/refusal.h -- returns the message of an expected error.
#pragma once
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace mop::testing {

/// Returns the message of the Error(kBadInput) that `act` throws; "nothing was refused" when it
/// throws none.
template <typename Act>
std::string refusal_of(Act&& act) {
  try {
    act();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
    return e.what();
  }
  return "nothing was refused";
}

}  // namespace mop::testing
