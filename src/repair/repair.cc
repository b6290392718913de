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
       .solve = kLeastSquares,
       .source =
           "FASP, arXiv 2501.09412; target of GPTAQ, arXiv 2504.02692, section 3, and Qronos, "
           "arXiv 2505.11695",
       .options = {kRepairDamping},
       .deviations = {20}},
      {.name = "reconstruction",
       .summary = "least squares, then every layer's weights trained towards the dense model's "
                  "hidden states, in order",
       .solve = kLeastSquares,
       .finish = RepairPass{reconstruct_layers,
                            "more calibration text helps, or a smaller repair.learning_rate"},
       .source = "BRECQ, arXiv 2102.05426, section 3.2",
       .options = {kRepairDamping, kRepairSteps, kRepairRate},
       .deviations = {32}},
      {.name = "bias",
       .summary =
           "biases of o_proj and down_proj that replace the mean of the removed inputs (FLAP)",
       .solve = {bias_repair, "more calibration text helps"},
       .adds_tensors = true,
       .source = "FLAP, arXiv 2312.11983, bias compensation",
       .deviations = {26}},
  };
  return kRepairs;
}

const Repair& find_repair(std::string_view name) {
  return find_by_name(all_repairs(), name, "repair");
}

}  // namespace mop
