// tensor/lost_bytes.h -- errors that follow from what a mapped file lost (tensor/mapped_file.h).
#pragma once
#include "base/error.h"

namespace mop {

/// What the user should be told: `error`, or that a mapped file lost bytes, where nobody was told
/// of that yet. A header of zeros is no header.
Error cause_of(const Error& error);

}  // namespace mop
