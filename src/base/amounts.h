// base/amounts.h -- counts and sizes as people read them.
#pragma once
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace mop {

/// Three figures and a unit: 6738415616 -> "6.74 G", 950 -> "950".
std::string short_count(double number);
/// The same in bytes, decimal units: 13476831232 -> "13.5 GB".
std::string short_bytes(int64_t bytes);

/// Four figures: "6.738 G", "13.48 GB". Integers below 1000 have no decimals.
std::string long_count(double number);
std::string long_bytes(double bytes);

/// A unit that may stand behind a number.
struct UnitSuffix {
  std::string_view name;  ///< "GB"; empty = no unit
  double factor = 1;
};
/// No unit, B, kB, KB, MB, GB, TB (powers of 1000), KiB, MiB, GiB, TiB (of 1024).
inline constexpr std::array<UnitSuffix, 11> kByteUnits = {{{"", 1},
                                                           {"B", 1},
                                                           {"kB", 1e3},
                                                           {"KB", 1e3},
                                                           {"MB", 1e6},
                                                           {"GB", 1e9},
                                                           {"TB", 1e12},
                                                           {"KiB", 1024.},
                                                           {"MiB", 1048576.},
                                                           {"GiB", 1073741824.},
                                                           {"TiB", 1099511627776.}}};
/// Parses a number and one of `units`, with at most one space between: "1.5GB", "16e9", "20 GiB".
/// nullopt for anything else.
std::optional<double> number_with_unit(std::string_view text, std::span<const UnitSuffix> units);

}  // namespace mop
