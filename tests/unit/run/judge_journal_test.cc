// tests/unit/run/judge_journal_test.cc -- what was judged is not judged again.
#include "run/judge_journal.h"

#include <gmock/gmock.h>

#include <cmath>
#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "kit/random_model.h"

namespace mop::testing {
namespace {

class Journal : public ::testing::Test {
 protected:
  // Judges `count` models of which nothing is known, by numbers that rise from call to call.
  std::vector<Validation> judge(JudgeJournal& journal, size_t count) {
    return journal.judge(std::vector<Model>(count), [&](const std::vector<Model>& models) {
      ++calls_;
      std::vector<Validation> figures;
      for (size_t i = 0; i < models.size(); ++i) figures.push_back({1.0 / ++next_, 0.1, NAN});
      return figures;
    });
  }
  TempFolder folder_;
  int calls_ = 0, next_ = 2;
};

TEST_F(Journal, AStepThatBeginsAgainGetsTheSameFiguresToTheBit) {
  std::vector<Validation> first;
  {
    JudgeJournal journal(folder_.path(), one_rank());
    journal.begin_step(3);
    judge(journal, 1);
    first = judge(journal, 2);
  }
  JudgeJournal journal(folder_.path(), one_rank());
  journal.begin_step(3);
  judge(journal, 1);
  const std::vector<Validation> again = judge(journal, 2);
  EXPECT_EQ(calls_, 2);
  EXPECT_EQ(again[1].nll, first[1].nll);
  EXPECT_EQ(again[1].kl, 0.1);
  EXPECT_TRUE(std::isnan(again[1].cosine));
  judge(journal, 1);
  EXPECT_EQ(calls_, 3);
}

TEST_F(Journal, AnotherStepKnowsNothing) {
  JudgeJournal journal(folder_.path(), one_rank());
  journal.begin_step(1);
  judge(journal, 1);
  journal.begin_step(2);
  EXPECT_FALSE(std::filesystem::exists(folder_.path() / "judged.jsonl"));
  judge(journal, 1);
  EXPECT_EQ(calls_, 2);
}

TEST_F(Journal, ALineThatWasCutIsJudgedAgain) {
  {
    JudgeJournal journal(folder_.path(), one_rank());
    journal.begin_step(1);
    judge(journal, 1);
    judge(journal, 1);
  }
  const std::filesystem::path file = folder_.path() / "judged.jsonl";
  std::filesystem::resize_file(file, std::filesystem::file_size(file) - 3);
  for (int run = 0; run < 2; ++run) {  // and what is noted then is whole again
    JudgeJournal journal(folder_.path(), one_rank());
    journal.begin_step(1);
    judge(journal, 1);
    judge(journal, 1);
  }
  EXPECT_EQ(calls_, 3);
}

TEST_F(Journal, OtherNumbersOfModelsAreRefused) {
  {
    JudgeJournal journal(folder_.path(), one_rank());
    journal.begin_step(1);
    judge(journal, 2);
  }
  JudgeJournal journal(folder_.path(), one_rank());
  journal.begin_step(1);
  EXPECT_THROW(judge(journal, 3), Error);
}

}  // namespace
}  // namespace mop::testing
