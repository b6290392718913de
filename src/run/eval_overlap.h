// run/eval_overlap.h -- warns if a model is evaluated on its calibration text.
#pragma once
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"

namespace mop {

/// The lines used to make a model: those of `calibration` if given, else those recorded in the run
/// folder of `model`; empty for models not made by a run.
class KnownLines {
 public:
  /// Throws Error if `calibration` is given and cannot be read; a record that cannot be read is a
  /// warning.
  KnownLines(const std::filesystem::path& model, const std::filesystem::path& calibration,
             Progress& progress);

  /// Returns {source, lines, shared, fraction} for the evaluated texts, null if no lines are known.
  /// Warns about shared lines; `what` names the texts.
  Json check(std::span<const std::string> texts, const std::string& what, Progress& progress) const;

 private:
  std::string source_;  ///< description for reports; empty = no lines are known
  std::vector<uint64_t> hashes_;
};

}  // namespace mop
