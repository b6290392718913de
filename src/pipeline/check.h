// pipeline/check.h -- whether a checkpoint is whole, and what the readers installed here make of
// it.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"

namespace mop {

struct CheckJob {
  std::filesystem::path model;    ///< a folder, a .gguf file, or a PEFT adapter that names its base
  std::filesystem::path adapter;  ///< a PEFT adapter folder to check on `model`, empty = none
  std::vector<std::string> with;  ///< outside readers by name; empty = all that can read this
  std::string python;  ///< interpreter that has them; empty = MOP_PYTHON, else python3 on PATH
  std::string prompt = "Once upon a time";
  int64_t new_tokens = 24;
  std::string dtype = "float32";  ///< in which everybody computes
  double timeout_seconds = 600;   ///< for each outside reader
};

/// Reads the checkpoint with our own reader (every header, every tensor, finite logits), then
/// starts each outside reader as a process of its own: a reader that is missing, crashes or hangs
/// is a row. Modelling code in the folder is trusted only when it is what we write. A model that
/// sees is shown a drawn picture in the prompt, whose pixels the reader gets too. Returns {model,
/// format, prompt_tokens, picture_tokens, new_tokens, dtype, text, ok, readers: [{reader, version,
/// status, logits_difference, greedy_equal, tokens_per_second, detail}]}; status is loads, differs,
/// fails, not installed or not run; the difference is max|a-b| / max|b|, b the reader's. ok: no
/// reader differs or fails. Throws Error(kBadInput) when our own reader refuses the checkpoint or a
/// tensor is not finite, Error(kUsage) for an unknown reader.
Json check(const CheckJob& job, Progress& progress);

/// The outside readers' names.
std::vector<std::string> outside_readers();

}  // namespace mop
