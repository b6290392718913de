// pipeline/eval_overlap.h -- warns when a model is judged on text that it was calibrated on.
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"

namespace mop {

/// Lines that shaped a model: those of `calibration` when that is given, else those that the run
/// folder of `model` recorded. Nothing is known of a model that no run made.
class KnownLines {
 public:
  /// Throws Error when `calibration` is given and cannot be read.
  KnownLines(const std::filesystem::path& model, const std::filesystem::path& calibration);

  /// {source, lines, shared, fraction} for the texts that are evaluated, null when nothing is
  /// known. Warns when lines are shared; `what` names the texts.
  Json check(std::span<const std::string> texts, const std::string& what, Progress& progress) const;

 private:
  std::string source_;  ///< in words; empty = nothing is known
  std::vector<uint64_t> hashes_;
};

}  // namespace mop
