// repair/repair.cc -- the table of repairs.
#include "repair/repair.h"

#include "base/named_table.h"

namespace mop {

std::span<const Repair> all_repairs() {
  static const Repair kRepairs[] = {
      {.name = "least-squares",
       .summary = "o_proj and down_proj solved against the dense model's hidden states, in order",
       .run = least_squares_repair},
  };
  return kRepairs;
}

const Repair& find_repair(std::string_view name) {
  return find_by_name(all_repairs(), name, "repair");
}

}  // namespace mop
