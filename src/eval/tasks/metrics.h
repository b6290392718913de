// eval/tasks/metrics.h -- metrics from log-likelihoods, as in lm-evaluation-harness.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "eval/score_requests.h"
#include "eval/tasks/task.h"

namespace mop {

/// One item's contribution to a metric. Metrics that are ratios use the weight (perplexities of
/// documents; precision, recall and F1 of the first choice).
struct MetricValue {
  double value = 0;
  double weight = 1;
};

/// Returns one value per entry of `task.metrics`, in order.
std::vector<MetricValue> judge(const Task& task, const TaskItem& item,
                               const std::vector<LogLikelihood>& answers);

struct Figure {
  double value = 0;
  std::optional<double> stderr_;  ///< unset where the reference gives none
};
/// Computes a metric from the values of all items, at least one. The standard error of a mean is
/// the sample's; that of `perplexity` is bootstrapped with the reference's random numbers.
Figure aggregate(const std::string& metric, const std::vector<MetricValue>& values);
/// Returns whether higher is better; nullopt for the share of yes answers.
std::optional<bool> higher_is_better(const std::string& metric);

}  // namespace mop
