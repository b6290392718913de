#include "eval/tasks/metrics.h"

#include <ATen/Parallel.h>

#include <cmath>

#include "base/error.h"
#include "eval/tasks/python_random.h"

namespace mop {
namespace {

// Returns the first maximum, as numpy's argmax does.
int64_t best_of(const std::vector<double>& scores) {
  return std::max_element(scores.begin(), scores.end()) - scores.begin();
}

int64_t best_choice(const TaskItem& item, const std::vector<LogLikelihood>& answers,
                    bool by_length) {
  std::vector<double> scores;
  for (size_t i = 0; i < answers.size(); ++i) {
    const double length = by_length ? static_cast<double>(item.choice_chars[i]) : 1.;
    scores.push_back(answers[i].sum / length);
  }
  return best_of(scores);
}

double sum_of(const std::vector<MetricValue>& values) {
  double sum = 0;
  for (const MetricValue& v : values) sum += v.value;
  return sum;
}

double mean_of(const std::vector<MetricValue>& values) {
  return sum_of(values) / static_cast<double>(values.size());
}

double weighted_mean(const std::vector<MetricValue>& values) {
  double weight = 0;
  for (const MetricValue& v : values) weight += v.weight;
  return sum_of(values) / weight;
}

double sample_deviation(const std::vector<double>& values) {
  double mean = 0, squares = 0;
  for (const double v : values) mean += v;
  mean /= static_cast<double>(values.size());
  for (const double v : values) squares += (v - mean) * (v - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double standard_error_of_mean(const std::vector<MetricValue>& values) {
  std::vector<double> plain;
  for (const MetricValue& v : values) plain.push_back(v.value);
  return sample_deviation(plain) / std::sqrt(static_cast<double>(values.size()));
}

// Standard deviation of exp(-mean) over 100,000 bootstrap samples, a thousand per seed.
double bootstrapped_perplexity(const std::vector<MetricValue>& values) {
  constexpr int64_t kSeeds = 100, kDraws = 1000;
  std::vector<double> perplexities(kSeeds * kDraws);
  const auto items = static_cast<int64_t>(values.size());
  at::parallel_for(0, kSeeds, 1, [&](int64_t begin, int64_t end) {
    for (int64_t seed = begin; seed < end; ++seed) {
      PythonRandom random(static_cast<uint32_t>(seed));
      for (int64_t draw = 0; draw < kDraws; ++draw) {
        double sum = 0;
        for (int64_t i = 0; i < items; ++i) {
          const double at = random.uniform() * static_cast<double>(items);
          sum += values[static_cast<size_t>(at)].value;
        }
        perplexities[static_cast<size_t>(seed * kDraws + draw)] =
            std::exp(-sum / static_cast<double>(items));
      }
    }
  });
  return sample_deviation(perplexities);
}

// 0 when the denominator is 0, as in scikit-learn.
double ratio(const std::vector<MetricValue>& values) {
  const double mean = weighted_mean(values);
  return std::isnan(mean) ? 0 : mean;
}

// Contribution of a question with the answer `best` and the correct one `gold`. Choice 0 is yes.
MetricValue correct(int64_t best, int64_t gold) { return {best == gold ? 1. : 0.}; }
MetricValue said_yes(int64_t best, int64_t) { return {best == 0 ? 1. : 0.}; }
MetricValue precision(int64_t best, int64_t gold) {
  return {best == 0 && gold == 0 ? 1. : 0., best == 0 ? 1. : 0.};
}
MetricValue recall(int64_t best, int64_t gold) { return precision(gold, best); }
MetricValue f1(int64_t best, int64_t gold) {
  const MetricValue p = precision(best, gold), r = recall(best, gold);
  return {p.value + r.value, p.weight + r.weight};
}

struct MetricRow {
  std::string name;
  std::optional<bool> higher_is_better;
  double (*value)(const std::vector<MetricValue>&);
  double (*standard_error)(const std::vector<MetricValue>&);
  MetricValue (*of_choice)(int64_t best, int64_t gold) = correct;
};

double exp_of_mean(const std::vector<MetricValue>& v) { return std::exp(-mean_of(v)); }
double exp_of_weighted(const std::vector<MetricValue>& v) { return std::exp(-weighted_mean(v)); }
double bits(const std::vector<MetricValue>& v) { return -weighted_mean(v) / std::log(2.); }

const MetricRow& metric_row(const std::string& name) {
  static const std::vector<MetricRow> table = {
      {"acc", true, mean_of, standard_error_of_mean},
      {"acc_norm", true, mean_of, standard_error_of_mean},
      {"perplexity", false, exp_of_mean, bootstrapped_perplexity},
      {"word_perplexity", false, exp_of_weighted, nullptr},
      {"byte_perplexity", false, exp_of_weighted, nullptr},
      {"bits_per_byte", false, bits, nullptr},
      {"precision", true, ratio, nullptr, precision},
      {"recall", true, ratio, nullptr, recall},
      {"f1", true, ratio, nullptr, f1},
      {"yes_rate", std::nullopt, mean_of, standard_error_of_mean, said_yes},
  };
  for (const MetricRow& row : table) {
    if (row.name == name) return row;
  }
  throw internal_error("no metric is called '{}'", name);
}

}  // namespace

std::vector<MetricValue> judge(const Task& task, const TaskItem& item,
                               const std::vector<LogLikelihood>& answers) {
  std::vector<MetricValue> values;
  for (const std::string& metric : task.metrics) {
    if (task.kind == TaskKind::kChoice) {
      const int64_t best = best_choice(item, answers, metric == "acc_norm");
      values.push_back(metric_row(metric).of_choice(best, item.gold));
    } else if (task.kind == TaskKind::kContinuation) {
      values.push_back({metric == "acc" ? (answers.at(0).greedy ? 1. : 0.) : answers.at(0).sum});
    } else {
      double sum = 0;
      for (const LogLikelihood& window : answers) sum += window.sum;
      const int64_t weight = metric == "word_perplexity" ? item.words : item.bytes;
      values.push_back({sum, static_cast<double>(weight)});
    }
  }
  return values;
}

Figure aggregate(const std::string& metric, const std::vector<MetricValue>& values) {
  const MetricRow& row = metric_row(metric);
  Figure figure{row.value(values), std::nullopt};
  if (row.standard_error != nullptr && values.size() > 1) {
    figure.stderr_ = row.standard_error(values);
  }
  return figure;
}

std::optional<bool> higher_is_better(const std::string& metric) {
  return metric_row(metric).higher_is_better;
}

}  // namespace mop
