// gradient/adamw.h -- the optimizer and learning rate schedules.
//
// Shape letter: P all trained numbers, concatenated.
#pragma once
#include <ATen/core/Tensor.h>

#include <span>
#include <string>

#include "gradient/parameters.h"

namespace mop {

/// The defaults are those of transformers' Trainer.
struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0;  ///< applies to matrices only, not to norms and biases
  double clip = 1.0;        ///< maximum gradient norm; 0 = no clipping
};

/// AdamW (arXiv 1711.05101) on all parameters at once, by LibTorch's fused step.
class AdamW {
 public:
  AdamW(Parameters& parameters, const AdamWOptions& options);
  /// Clips the gradients, updates the values, zeroes the gradients and refreshes the leaves.
  /// Returns the gradient norm before clipping. When the norm is not finite, changes nothing.
  double step(double learning_rate);

  /// Moving averages of gradients and squared gradients, float32.
  at::Tensor mean_P, square_P;
  int64_t steps = 0;

 private:
  Parameters& parameters_;
  AdamWOptions options_;
};

/// A learning rate schedule: progress of the run in [0, 1) -> factor.
struct Schedule {
  std::string name;
  std::string summary;
  double (*factor)(double progress);
  std::string source = {};  ///< paper
};
/// linear (to 0), cosine (half a period, to 0), constant.
std::span<const Schedule> all_schedules();
const Schedule& find_schedule(std::string_view name);
/// Rises linearly during the first `warmup` (a fraction) of the run, then follows the schedule.
double learning_rate_factor(const Schedule& schedule, double warmup, double progress);

}  // namespace mop
