// jobs/check.h -- mop check: whether a checkpoint is complete, and whether other programs read
// it correctly.
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
  std::vector<std::string> with;  ///< other readers by name; empty = all that support the format
  std::string python;             ///< Python interpreter; empty = MOP_PYTHON, else python3 on PATH
  std::string prompt = "Once upon a time";
  int64_t new_tokens = 24;
  std::string dtype = "float32";  ///< compute dtype of all readers
  double timeout_seconds = 600;   ///< per reader
};

/// Reads the checkpoint with this program's reader (every header, every tensor, finite logits),
/// then runs each other reader in a separate process: a reader that is missing, crashes or hangs is
/// reported in its row. Modelling code in the folder is trusted only if this program wrote it. A
/// vision-language model gets a generated image in the prompt, whose pixels are passed to the
/// readers too. Returns {model, format, prompt_tokens, picture_tokens, new_tokens, dtype, text, ok,
/// readers: [{reader, version, status, logits_difference, greedy_equal, tokens_per_second,
/// detail}]}; status is loads, differs, fails, not installed or not run; the difference is max|a-b|
/// / max|b|, b the reader's. ok: no reader differs or fails. Throws Error(kBadInput) if this
/// program rejects the checkpoint or a tensor is not finite, Error(kUsage) for an unknown reader.
Json check(const CheckJob& job, Progress& progress);

/// Names of the other readers.
std::vector<std::string> outside_readers();

}  // namespace mop
