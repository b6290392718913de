// text/darts_unit.h -- bit fields of a unit of Darts' double array, the format of SentencePiece's
// replacement table.
#pragma once
#include <cstdint>

namespace mop {

/// Units that hold a value have the highest bit set.
inline bool is_value(uint32_t unit) { return (unit >> 31) != 0; }
inline bool has_leaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
inline uint32_t value_of(uint32_t unit) { return unit & 0x7FFFFFFF; }
inline uint32_t label_of(uint32_t unit) { return unit & 0x800000FF; }
inline uint32_t offset_of(uint32_t unit) { return unit >> 10 << ((unit & 1u << 9) >> 6); }

}  // namespace mop
