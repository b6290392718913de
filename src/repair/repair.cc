// repair/repair.cc -- the table of repairs.
#include "repair/repair.h"

#include "base/named_table.h"

namespace mop {

const Option<double> kRepairDamping = {
    .name = "damping",
    .default_value = RepairOptions().damping,
    .range = at_least(0),
    .help =
        "ridge towards the current weights, relative to the mean square of an input; 0 "
        "chooses 0.01, or 0.1 with little text"};
const Option<int64_t> kRepairSteps = {.name = "steps",
                                      .default_value = RepairOptions().steps,
                                      .range = at_least(1),
                                      .help = "training steps per layer, about 1024 tokens each"};
const Option<double> kRepairRate = {
    .name = "learning_rate",
    .default_value = RepairOptions().learning_rate,
    .range = {.least = 0, .most = 1, .above_least = true, .below_most = true},
    .help = "learning rate of the first step; decreases linearly to 0"};

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
