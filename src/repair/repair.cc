// repair/repair.cc -- the table of repairs.
#include "repair/repair.h"

#include "base/named_table.h"

namespace mop {

std::span<const Repair> all_repairs() {
  static const RepairPass kLeastSquares = {
      least_squares_repair, "more calibration text helps, or a larger repair.damping"};
  static const Repair kRepairs[] = {
      {.name = "least-squares",
       .summary = "o_proj and down_proj solved against the dense model's hidden states, in order",
       .solve = kLeastSquares},
      {.name = "reconstruction",
       .summary = "least squares, then every layer's weights trained towards the dense model's "
                  "hidden states, in order",
       .solve = kLeastSquares,
       .finish = RepairPass{reconstruct_layers,
                            "more calibration text helps, or a smaller repair.learning_rate"}},
      {.name = "bias",
       .summary = "biases of o_proj and down_proj that stand for the mean of what went (FLAP)",
       .solve = {bias_repair, "more calibration text helps"}},
  };
  return kRepairs;
}

const Repair& find_repair(std::string_view name) {
  return find_by_name(all_repairs(), name, "repair");
}

}  // namespace mop
