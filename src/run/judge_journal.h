// run/judge_journal.h -- run/judged.jsonl: metrics on held-out text within the current step,
// so that an interrupted step with many candidates continues where it stopped.
#pragma once
#include <deque>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "base/line_file.h"
#include "collectives/collectives.h"
#include "model/model.h"
#include "model/validation.h"

namespace mop {

/// A step requests the same metrics in the same order each time it is run, so metrics recorded by
/// an interrupted run are returned before anything is computed.
class JudgeJournal {
 public:
  using Judge = std::function<std::vector<Validation>(const std::vector<Model>&)>;
  /// `folder`: run/; empty on ranks other than 0, which receive rank 0's results.
  JudgeJournal(const std::filesystem::path& folder, Collectives& ranks);
  /// Begins step `number`; records of other steps are discarded.
  void begin_step(int64_t number);
  std::vector<Validation> judge(const std::vector<Model>& models, const Judge& judge);

 private:
  void note(const std::vector<Validation>& figures);
  std::filesystem::path file_;  // empty = nothing is written
  Collectives& ranks_;
  int64_t step_ = 0;
  std::deque<std::vector<Validation>> known_;  // recorded metrics of the step, one entry per call
  std::unique_ptr<LineFile> lines_;            // created at the first record
};

}  // namespace mop
