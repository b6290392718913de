// tests/unit/run/judge_journal_test.cc -- what was judged is not judged again.
#include "run/judge_journal.h"

#include <gmock/gmock.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
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
  // A step that judges two models, one after the other.
  void judge_two() {
    JudgeJournal journal(folder_.path(), one_rank());
    journal.begin_step(1);
    judge(journal, 1);
    judge(journal, 1);
  }
  TempFolder folder_;
  const std::filesystem::path file_ = folder_.path() / "judged.jsonl";
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
  EXPECT_FALSE(std::filesystem::exists(file_));
  judge(journal, 1);
  EXPECT_EQ(calls_, 2);
}

TEST_F(Journal, ALineThatWasCutIsJudgedAgain) {
  judge_two();
  std::filesystem::resize_file(file_, std::filesystem::file_size(file_) - 3);
  for (int run = 0; run < 2; ++run) judge_two();  // and what is noted then is whole again
  EXPECT_EQ(calls_, 3);
}

// After a power failure there may be zeros, at the end or in front of later lines.
TEST_F(Journal, WhatFollowsADamagedLineIsJudgedAgain) {
  const std::string zeros(40, '\0');
  for (const std::string& damage :
       {zeros, zeros + "\n", std::string("[]\n"), std::string("{\"step\":1}\n"),
        std::string("{\"step\":1,\"figures\":[[1,2]]}\n"), std::string("{\"step\":\"1\"}\n")}) {
    std::filesystem::remove(file_);
    calls_ = 0;
    std::string last;
    {
      JudgeJournal journal(folder_.path(), one_rank());
      journal.begin_step(1);
      judge(journal, 1);
      const std::string first = read_file(file_);
      judge(journal, 1);
      last = read_file(file_).substr(first.size());
      write_file(file_, first + damage + last);
    }
    JudgeJournal journal(folder_.path(), one_rank());
    journal.begin_step(1);
    judge(journal, 1);
    EXPECT_EQ(calls_, 2);
    judge(journal, 1);
    EXPECT_EQ(calls_, 3) << damage;
  }
}

TEST_F(Journal, ABeginningThatFailsKeepsWhatIsKnown) {
  judge_two();
  const std::string before = read_file(file_);
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  ::getrlimit(RLIMIT_FSIZE, &limit);
  const rlimit small = {before.size() - 5, limit.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &small);
  EXPECT_THROW(JudgeJournal(folder_.path(), one_rank()).begin_step(1), Error);
  ::setrlimit(RLIMIT_FSIZE, &limit);
  EXPECT_EQ(read_file(file_), before);
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
