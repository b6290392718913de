// gradient/adamw.h -- the optimizer and its learning rate.
//
// Shape letter: P all trained numbers, laid end to end.
#pragma once
#include <ATen/core/Tensor.h>

#include <span>
#include <string>

#include "gradient/parameters.h"

namespace mop {

/// The defaults are those of transformers' Trainer.
struct AdamWOptions {
  double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  double weight_decay = 0;  ///< of matrices; norms and biases never decay
  double clip = 1.0;        ///< gradients of a larger norm are scaled down to it; 0 = never
};

/// AdamW (arXiv 1711.05101) over all parameters at once, by LibTorch's fused step.
class AdamW {
 public:
  AdamW(Parameters& parameters, const AdamWOptions& options);
  /// Clips, moves the values, clears the gradients, refreshes the leaves. Returns the norm before
  /// clipping; when that is not finite, nothing else is done.
  double step(double learning_rate);

  /// Running means of gradients and of their squares, float32.
  at::Tensor mean_P, square_P;
  int64_t steps = 0;

 private:
  Parameters& parameters_;
  AdamWOptions options_;
};

/// A learning rate's course: progress of the run in [0, 1) -> factor.
struct Schedule {
  std::string name;
  std::string summary;
  double (*factor)(double progress);
  std::string source = {};  ///< paper
};
/// linear (to 0), cosine (half a wave, to 0), constant.
std::span<const Schedule> all_schedules();
const Schedule& find_schedule(std::string_view name);
/// Rises linearly during the first `warmup` (a fraction) of the run, then follows the schedule.
double learning_rate_factor(const Schedule& schedule, double warmup, double progress);

}  // namespace mop
