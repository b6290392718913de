// pipeline/tasks.h -- the program's other jobs: scoring units, evaluating, generating, tokenising.
#pragma once
#include <ATen/core/Tensor.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "collectives/collectives.h"
#include "text/samples.h"

namespace mop {

/// Where, in what and with whom a job computes; an empty dtype is the device's default. Scoring and
/// evaluating split their samples over the ranks; rank 0 alone writes files.
struct ComputeChoice {
  std::string device = "cpu";
  std::string dtype;
  Collectives* ranks = &one_rank();
};

struct ScoreJob {
  std::filesystem::path model, calibration = kBuiltInText, out;
  std::vector<std::string> criteria;
  SampleOptions samples;
  ComputeChoice compute;
  std::filesystem::path images = {};  ///< folder of the samples' pictures; empty = that of the file
};
struct Scores {
  std::map<std::string, at::Tensor> tensors;  ///< `{criterion}.{layer}`: [units], float64
  Json about;  ///< {criteria, samples, tokens, samples_sha256, layers, dtype}
};
/// Scores of every layer; `out` is not looked at. All samples are used: a score has no validation
/// split.
Scores score_units(const ScoreJob& job, Progress& progress);
/// The same written to `out`. Returns what was measured, with {out}.
Json score(const ScoreJob& job, Progress& progress);

struct GenerateJob {
  std::filesystem::path model;
  std::filesystem::path adapter;  ///< PEFT adapter folder to merge; empty = none
  std::string prompt;             ///< with `chat` the user's message
  bool chat = false;   ///< the prompt is what the model's chat template makes of a conversation
  std::string system;  ///< with `chat`: the system's message; empty = none
  /// With `chat`, instead of `prompt`: JSON, a list of messages or {messages, tools}.
  std::filesystem::path messages;
  /// For a model that sees: pictures, in the order of the prompt's <image> words.
  std::vector<std::filesystem::path> images = {};
  int64_t max_new_tokens = 128;
  double temperature = 0;
  uint64_t seed = 0;
  ComputeChoice compute;
  /// Called with every piece of text that is complete; may be empty.
  std::function<void(std::string_view)> on_text;
};
/// {prompt, text, prompt_tokens, new_tokens, ids, seconds}. `prompt` is what the model was given,
/// rendered; `text` is what follows it.
Json generate_text(const GenerateJob& job, Progress& progress = silent_progress());

struct TokenizeJob {
  std::filesystem::path tokenizer;  ///< a model's folder or a tokenizer file
  std::filesystem::path text;       ///< every line is tokenised by itself
  bool special = false;             ///< adds what the tokenizer's own rule adds
};
/// Ids of every line of the file, empty lines included.
std::vector<std::vector<int64_t>> tokenize(const TokenizeJob& job);

/// {dense, steps, device_memory {dense, after}, warnings} of `mop plan`: sizes alone. `config` is a
/// folder or a config.json.
Json plan_sizes(const std::filesystem::path& config, const Json& recipe);

}  // namespace mop
