// tests/kit/refusal.h -- expected errors and their messages.
#pragma once
#include <gmock/gmock.h>

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

/// `act` must throw an Error(kUsage) whose message contains `text`.
template <typename Act>
void expect_usage_error(Act&& act, const std::string& text) {
  try {
    act();
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kUsage);
    EXPECT_THAT(e.what(), ::testing::HasSubstr(text));
  }
}

}  // namespace mop::testing
