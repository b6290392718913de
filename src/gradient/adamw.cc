// gradient/adamw.cc
#include "gradient/adamw.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include <cmath>
#include <numbers>

#include "base/named_table.h"

namespace mop {
namespace {

constexpr int64_t kNormRow = 4096;
constexpr int64_t kMostElements = int64_t{1} << 30;

// LibTorch's norm in float64 copies its input; on a device, only the norms of rows are copied.
at::Tensor norm_of(const at::Tensor& values_P) {
  if (values_P.is_cpu()) {
    return at::linalg_vector_norm(values_P, 2, std::nullopt, false, at::kDouble);
  }
  const int64_t rows = values_P.size(0) / kNormRow, whole = rows * kNormRow;
  std::vector<at::Tensor> norms = {
      at::linalg_vector_norm(values_P.narrow(0, whole, values_P.size(0) - whole)).view({1})};
  if (rows > 0) {
    norms.push_back(at::linalg_vector_norm(values_P.narrow(0, 0, whole).view({rows, kNormRow}), 2,
                                           at::IntArrayRef{1}));
  }
  return at::linalg_vector_norm(at::cat(norms), 2, std::nullopt, false, at::kDouble);
}

// Some versions of LibTorch index the elements of a tensor with 32 bits.
std::vector<at::Tensor> counted_parts(const at::Tensor& values_P) {
  if (values_P.is_cpu()) return {values_P};
  return values_P.split(kMostElements);
}

}  // namespace

AdamW::AdamW(Parameters& parameters, const AdamWOptions& options)
    : mean_P(at::zeros_like(parameters.values_P())),
      square_P(at::zeros_like(parameters.values_P())),
      parameters_(parameters),
      options_(options) {}

double AdamW::step(double learning_rate) {
  const at::NoGradGuard no_grad;
  at::Tensor& gradients_P = parameters_.gradients_P();
  const double norm = norm_of(gradients_P).item<double>();
  if (!std::isfinite(norm)) return norm;
  if (options_.clip > 0 && norm > options_.clip) gradients_P.mul_(options_.clip / (norm + 1e-6));
  const at::Tensor count = at::full({}, static_cast<double>(steps), gradients_P.options());
  const int64_t decaying = parameters_.decaying(), rest = parameters_.numel() - decaying;
  const auto move = [&](int64_t begin, int64_t size, double decay) {
    if (size == 0) return;
    const auto parts = [&](const at::Tensor& flat_P) {
      return counted_parts(flat_P.narrow(0, begin, size));
    };
    const std::vector<at::Tensor> values = parts(parameters_.values_P());
    // The call increments the step number, so each part gets its own copy.
    const std::vector<at::Tensor> counts(values.size(), count + 1);
    at::_fused_adamw_(values, parts(gradients_P), parts(mean_P), parts(square_P), {}, counts,
                      learning_rate, options_.beta1, options_.beta2, decay, options_.epsilon,
                      /*amsgrad=*/false, /*maximize=*/false);
  };
  move(0, decaying, options_.weight_decay);
  move(decaying, rest, 0);
  ++steps;
  gradients_P.zero_();
  parameters_.refresh();
  return norm;
}

std::span<const Schedule> all_schedules() {
  static const std::vector<Schedule> table = {
      {.name = "linear",
       .summary = "falls linearly to 0",
       .factor = [](double progress) { return 1 - progress; },
       .source = "transformers, get_linear_schedule_with_warmup"},
      {.name = "cosine",
       .summary = "falls to 0 by half a cosine wave",
       .factor = [](double progress) { return 0.5 * (1 + std::cos(std::numbers::pi * progress)); },
       .source = "SGDR, arXiv 1608.03983, one period; transformers, "
                 "get_cosine_schedule_with_warmup"},
      {.name = "constant",
       .summary = "stays",
       .factor = [](double) { return 1.0; },
       .source = "transformers, get_constant_schedule_with_warmup"}};
  return table;
}

const Schedule& find_schedule(std::string_view name) {
  return find_by_name(all_schedules(), name, "schedule");
}

double learning_rate_factor(const Schedule& schedule, double warmup, double progress) {
  if (progress < warmup) return progress / warmup;
  return schedule.factor((progress - warmup) / (1 - warmup));
}

}  // namespace mop
