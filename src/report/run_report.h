// report/run_report.h -- what one run left to be told, and the page of it.
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

/// What held-out text says of a model; NaN where it was not measured or is not finite.
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
  std::string branch;  ///< that was taken
  std::string shape;
  int64_t parameters = 0;
  double removed_fraction = NAN, block_removed_fraction = NAN;
  std::vector<ReportedCandidate> candidates;
};

/// One training: of a whole run, or of a round.
struct ReportedTraining {
  std::string title;
  struct Step {
    double step = 0, loss = NAN;
  };
  std::vector<Step> losses = {};    ///< nats a token, of each step's own batch
  std::vector<Step> held_out = {};  ///< nats a token
  struct Trial {
    double learning_rate = 0, nll = NAN;
  };
  std::vector<Trial> trials = {};  ///< of learning rates, before the run
  double chosen_rate = NAN;
};

/// What the model costs before and after, in one unit.
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
  std::string name;      ///< of the run: its folder's
  std::string verb;      ///< "prune", "recover", "train"
  std::string model;     ///< the model it began with
  std::string method;    ///< a few words: "damage", "wanda-sp, uniform"
  bool finished = true;  ///< false: what an interrupted run, or one at work, has left so far
  int64_t dense_parameters = 0, parameters = 0;
  int64_t dense_block_parameters = 0, block_parameters = 0;
  std::string shape;
  int64_t seed = 0;
  std::string source_fingerprint;  ///< of the dense checkpoint; empty = unknown
  std::string judged_on;           ///< identity of the held-out text; empty = unknown
  std::string protocol;            ///< how it was judged
  std::vector<JudgedModel> judged;
  std::vector<ReportedCost> costs;
  std::vector<UnitMap> maps;
  std::vector<ScoreCounts> scores;
  std::vector<ReportedStep> steps;
  ReportedLatency latency;
  std::vector<ReportedTraining> trainings;
  std::vector<std::pair<std::string, std::string>> facts;  ///< versions, seeds, data, machine
  std::vector<std::pair<std::string, std::string>> times;
  std::string command, recipe;  ///< that repeat the run
  std::string program;          ///< "mop 0.1.0, commit d26b5f7"
  /// The last of `judged` that has a perplexity; NaN without any.
  double perplexity() const;
  double dense_perplexity() const;
  double removed_fraction() const;
  double block_removed_fraction() const;
};

/// The page of one run.
Page run_page(const RunReport& run);

/// Figures of a run that comparisons show, too.
std::vector<ReportFigure> map_figures(const RunReport& run);
std::vector<ReportFigure> training_figures(const RunReport& run);
/// Measured and fitted times by KV groups and by neurons; none where nothing was measured.
std::vector<ReportFigure> latency_figures(const ReportedLatency& latency);

}  // namespace mop
