// report/run_report.h -- the data of one run's report, and its page.
#pragma once
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "report/page.h"
#include "report/score_picture.h"
#include "report/unit_map.h"

namespace mop {

/// Metrics of a model on held-out text; NaN if not measured or not finite.
struct JudgedModel {
  std::string name;  ///< "dense", "pruned", "repaired", "sparse", "recovered"
  double perplexity = NAN, kl = NAN;
};

struct ReportedCandidate {
  std::string branch;
  double perplexity = NAN, kl = NAN, cosine = NAN;
};

struct ReportedStep {
  int64_t number = 0;
  std::string branch;  ///< the selected branch
  std::string shape;
  int64_t parameters = 0;
  double removed_fraction = NAN, block_removed_fraction = NAN;
  std::vector<ReportedCandidate> candidates;
};

/// One training: of a complete run, or of a round.
struct ReportedTraining {
  std::string title;
  struct Step {
    double step = 0, loss = NAN;
  };
  std::vector<Step> losses = {};    ///< nats per token, of each step's batch
  std::vector<Step> held_out = {};  ///< nats per token
  struct Trial {
    double learning_rate = 0, nll = NAN;
  };
  std::vector<Trial> trials = {};  ///< of learning rates, before the run
  double chosen_rate = NAN;
};

/// The cost of the model before and after, in one unit.
struct ReportedCost {
  std::string name, unit;  ///< "memory", "bytes"
  double dense = 0, now = 0;
};

/// Times of decoding a token that the run measured, and what was fitted to them, in seconds.
struct ReportedLatency {
  double outside = NAN, attention = NAN, kv_group = NAN, mlp = NAN, neuron = NAN;
  struct Sample {
    int64_t attentions = 0, kv_groups = 0, mlps = 0, neurons = 0;  ///< of the model that was timed
    double seconds = NAN;
  };
  std::vector<Sample> samples = {};  ///< empty = nothing was measured
  /// What the fit says of such a model.
  double fitted(const Sample& sample) const;
};

struct RunReport {
  std::string name;      ///< name of the run's folder
  std::string verb;      ///< "prune", "recover", "train"
  std::string model;     ///< the initial model
  std::string method;    ///< a few words: "damage", "wanda-sp, uniform"
  bool finished = true;  ///< false = partial results of an interrupted or active run
  int64_t dense_parameters = 0, parameters = 0;
  int64_t dense_block_parameters = 0, block_parameters = 0;
  std::string shape;
  int64_t seed = 0;
  std::string source_fingerprint;  ///< of the dense checkpoint; empty = unknown
  std::string judged_on;           ///< identity of the held-out text; empty = unknown
  std::string protocol;            ///< protocol of the evaluation
  std::vector<JudgedModel> judged;
  std::vector<ReportedCost> costs;
  std::vector<UnitMap> maps;
  std::vector<ScoreCounts> scores;
  std::vector<ReportedStep> steps;
  ReportedLatency latency;
  std::vector<ReportedTraining> trainings;
  std::vector<std::pair<std::string, std::string>> facts;  ///< versions, seeds, data, machine
  std::vector<std::pair<std::string, std::string>> times;
  std::string command, recipe;  ///< reproduce the run
  std::string program;          ///< "mop 0.1.0, commit d26b5f7"
  /// The perplexity of the last of `judged` that has one; NaN if none has.
  double perplexity() const;
  double dense_perplexity() const;
  double removed_fraction() const;
  double block_removed_fraction() const;
};

/// The page of one run.
Page run_page(const RunReport& run);

/// Figures of a run that are also shown in comparisons.
std::vector<ReportFigure> map_figures(const RunReport& run);
std::vector<ReportFigure> training_figures(const RunReport& run);
/// Measured and fitted times by KV groups and by neurons; none where nothing was measured.
std::vector<ReportFigure> latency_figures(const ReportedLatency& latency);

}  // namespace mop
