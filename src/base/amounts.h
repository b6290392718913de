// base/amounts.h -- counts and sizes as people read them.
#pragma once
#include <cstdint>
#include <string>

namespace mop {

/// Three figures and a unit: 6738415616 -> "6.74 G", 950 -> "950".
std::string short_count(double number);
/// The same in bytes, decimal units: 13476831232 -> "13.5 GB".
std::string short_bytes(int64_t bytes);

}  // namespace mop
