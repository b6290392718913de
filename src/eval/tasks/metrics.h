// eval/tasks/metrics.h -- from log-likelihoods to figures, as lm-evaluation-harness computes them.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "eval/score_requests.h"
#include "eval/tasks/task.h"

namespace mop {

/// What one item says about one metric; ratios (perplexities of documents; precision, recall and
/// F1 of the first choice) have a weight.
struct MetricValue {
  double value = 0;
  double weight = 1;
};

/// In the order of `task.metrics`.
std::vector<MetricValue> judge(const Task& task, const TaskItem& item,
                               const std::vector<LogLikelihood>& answers);

struct Figure {
  double value = 0;
  std::optional<double> stderr_;  ///< none where the reference gives none
};
/// The figure of one metric from all items' values, at least one. The standard error of a mean is
/// the sample's; that of `perplexity` is bootstrapped with the reference's own random numbers.
Figure aggregate(const std::string& metric, const std::vector<MetricValue>& values);
/// None where neither end is better: the share of the answer yes.
std::optional<bool> higher_is_better(const std::string& metric);

}  // namespace mop
