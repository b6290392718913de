// pipeline/judge_journal.h -- run/judged.jsonl: what held-out text said within the step at work, so
// that a step of many candidates continues where it was interrupted.
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

/// A step asks for the same figures in the same order however often it is begun, so those that an
/// earlier run noted are given out before anything is computed.
class JudgeJournal {
 public:
  using Judge = std::function<std::vector<Validation>(const std::vector<Model>&)>;
  /// `folder`: run/, empty on ranks that write nothing; they get what rank 0 finds.
  JudgeJournal(const std::filesystem::path& folder, Collectives& ranks);
  /// Step `number` begins; what was noted of another one is forgotten.
  void begin_step(int64_t number);
  std::vector<Validation> judge(const std::vector<Model>& models, const Judge& judge);

 private:
  void note(const std::vector<Validation>& figures);
  std::filesystem::path file_;  // empty: nothing is written
  Collectives& ranks_;
  int64_t step_ = 0;
  std::deque<std::vector<Validation>> known_;  // of the step, one entry for each call
  std::unique_ptr<LineFile> lines_;            // once something was noted
};

}  // namespace mop
