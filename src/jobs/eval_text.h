// jobs/eval_text.h -- mop eval --text: perplexity by a named protocol, of one model or two
// compared.
#pragma once
#include <filesystem>
#include <string>

#include "base/json.h"
#include "base/progress.h"
#include "jobs/tasks.h"

namespace mop {

struct EvalTextJob {
  std::filesystem::path model, text;
  std::filesystem::path adapter;  ///< PEFT adapter folder to merge into the model; empty = none
  std::string protocol = "lines";
  int64_t limit = 0;                  ///< number of lines, windows or pages; 0 = all
  std::filesystem::path versus;       ///< the dense model to compare with; empty = none
  std::filesystem::path calibration;  ///< text that the model was made with; empty = what its run
                                      ///< recorded
  ComputeChoice compute;
};

/// Returns {protocol, perplexity, nll, ..} of the model; with `versus` also {kl, top1_agreement,
/// perplexity_ratio, model, dense}, the last two with results and sizes of each; `overlap` with the
/// calibration text if known. Throws Error(kBadInput) if the two models tokenise the text
/// differently.
Json evaluate(const EvalTextJob& job, Progress& progress);

/// The results as a text table.
std::string text_table(const Json& result);

/// Returns {path, family, parameters, block_parameters, bytes, kv_cache_bytes_per_token, shape}.
Json model_sizes(const std::filesystem::path& model);

}  // namespace mop
