// jobs/tasks.h -- further jobs of the program: scoring units, generating text, tokenising,
// planning.
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

/// Device, dtype and processes of a job; an empty dtype is the device's default. Scoring and
/// evaluation split their samples over the ranks; only rank 0 writes files.
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
  std::filesystem::path images = {};  ///< folder of the samples' images; empty = that of the file
};
struct Scores {
  std::map<std::string, at::Tensor> tensors;  ///< `{criterion}.{layer}`: [units], float64
  Json about;  ///< {criteria, samples, tokens, samples_sha256, layers, dtype}
};
/// Returns the scores of every layer; ignores `out`. All samples are used, since scoring needs no
/// validation samples.
Scores score_units(const ScoreJob& job, Progress& progress);
/// Writes the scores to `out`. Returns their description, with {out}.
Json score(const ScoreJob& job, Progress& progress);

struct GenerateJob {
  std::filesystem::path model;
  std::filesystem::path adapter;  ///< PEFT adapter folder to merge; empty = none
  std::string prompt;             ///< with `chat`: the user's message
  bool chat = false;              ///< render the conversation with the model's chat template
  std::string system;             ///< with `chat`: the system's message; empty = none
  /// With `chat`, instead of `prompt`: JSON, a list of messages or {messages, tools}.
  std::filesystem::path messages;
  /// For vision-language models: images, in the order of the prompt's <image> words.
  std::vector<std::filesystem::path> images = {};
  int64_t max_new_tokens = 128;
  double temperature = 0;
  uint64_t seed = 0;
  ComputeChoice compute;
  /// Called with each complete piece of text; may be empty.
  std::function<void(std::string_view)> on_text;
};
/// Returns {prompt, text, prompt_tokens, new_tokens, ids, seconds}. `prompt` is the rendered
/// prompt, `text` the generated text.
Json generate_text(const GenerateJob& job, Progress& progress = silent_progress());

struct TokenizeJob {
  std::filesystem::path tokenizer;  ///< a model's folder or a tokenizer file
  std::filesystem::path text;       ///< each line is tokenised separately
  bool special = false;             ///< add special tokens by the tokenizer's rule
};
/// Returns the ids of each line of the file, including empty lines.
std::vector<std::vector<int64_t>> tokenize(const TokenizeJob& job);

/// Returns {dense, steps, device_memory {dense, after}, warnings} of `mop plan`, from sizes only.
/// `config` is a folder or a config.json.
Json plan_sizes(const std::filesystem::path& config, const Json& recipe);

}  // namespace mop
