#include "cli/console.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <thread>

namespace mop {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Everything a console wrote.
class Captured {
 public:
  Captured() : stream_(::open_memstream(&text_, &size_)) {}
  ~Captured() {
    std::fclose(stream_);
    std::free(text_);
  }
  std::FILE* stream() { return stream_; }
  std::string text() {
    std::fflush(stream_);
    return {text_, size_};
  }

 private:
  char* text_ = nullptr;
  size_t size_ = 0;
  std::FILE* stream_;
};

TEST(ConsoleLines, ArePlainWhereThereIsNoTerminal) {
  Captured captured;
  Console console(captured.stream(), false);
  console.note("hello");
  console.warn("careful");
  console.begin("steps", 10);
  for (int i = 1; i <= 10; ++i) console.advance(i);
  console.end();
  EXPECT_EQ(captured.text(), "hello\nwarning: careful\n") << "fast work needs no progress lines";
}

// `mop prune ... 2>&1 | head`: the run goes on.
TEST(Console, ThatNobodyReadsAnyMoreStopsNothing) {
  const auto previous = ::signal(SIGPIPE, SIG_IGN);
  for (const bool terminal : {false, true}) {
    std::array<int, 2> pipe{};
    ASSERT_EQ(::pipe(pipe.data()), 0);
    ::close(pipe[0]);
    std::FILE* stream = ::fdopen(pipe[1], "w");
    {
      Console console(stream, terminal);
      console.begin("steps", 4);
      EXPECT_NO_THROW(console.note("hello"));
      EXPECT_NO_THROW(console.advance(1));
    }
    std::fclose(stream);
  }
  ::signal(SIGPIPE, previous);
}

TEST(ConsoleTerminal, RedrawsOneLineAndClearsIt) {
  Captured captured;
  Console console(captured.stream(), true);
  console.begin("steps", 4);
  console.advance(1);
  console.begin("gathering statistics", 2);
  std::this_thread::sleep_for(std::chrono::milliseconds(120));
  console.advance(1);
  EXPECT_THAT(captured.text(), HasSubstr("\r\033[Kstep 2 of 4, gathering statistics 50%"));
  EXPECT_THAT(captured.text(), Not(HasSubstr("\n")));
  console.end();
  console.end();
  const std::string text = captured.text();
  EXPECT_EQ(text.substr(text.size() - 4), "\r\033[K");
}

TEST(ConsoleTerminal, PutsNotesAboveTheLine) {
  Captured captured;
  Console console(captured.stream(), true);
  console.begin("steps", 4);
  console.note("done one");
  EXPECT_THAT(captured.text(), HasSubstr("\r\033[Kdone one\n"));
}

// A console and the time it is told.
class FakeTime : public ::testing::Test {
 protected:
  void pass(int seconds) { time_ += std::chrono::seconds(seconds); }
  // The last line, drawn anew.
  std::string line() {
    pass(1);
    console_.note("");
    const std::string text = captured_.text();
    return text.substr(text.rfind('\r') + 4);
  }
  // One part inside, which takes so long.
  void part(const char* what, int seconds) {
    console_.begin(what, 10);
    for (int i = 1; i <= 10; ++i) {
      time_ += std::chrono::milliseconds(seconds * 100);
      console_.advance(i);
    }
    console_.end();
  }

  Captured captured_;
  std::chrono::steady_clock::time_point time_{std::chrono::hours(1)};
  Console console_{captured_.stream(), true, [this] { return time_; }};
};

TEST_F(FakeTime, EstimatesWhatIsLeftWithoutWhatWasDoneBefore) {
  console_.begin("steps", 4);
  console_.advance(2);  // resumed after step 2
  pass(9);
  console_.advance(3);
  EXPECT_EQ(line(), "step 4 of 4, about 10 s left");
}

TEST_F(FakeTime, EstimatesByWhatStepsCost) {
  // Two passes over activations, of 12 and of 11 layers; the other steps need no data.
  const std::vector<StepCosts> costs = {{}, {1200}, {}, {}, {1100}};
  console_.begin_steps(costs);
  console_.advance(1);
  EXPECT_EQ(line(), "step 2 of 5") << "nothing is known yet";
  part("gathering statistics", 11);
  console_.advance(2);
  console_.advance(4);
  EXPECT_EQ(line(), "step 5 of 5, about 12 s left");
  console_.begin("gathering statistics", 10);
  pass(5);
  console_.advance(5);
  EXPECT_EQ(line(), "step 5 of 5, gathering statistics 50%, about 6 s left");
}

TEST_F(FakeTime, PartsOfAStepHaveTheirOwnCosts) {
  const std::vector<StepCosts> costs(2, {100, 300});
  console_.begin_steps(costs);
  part("gathering statistics", 9);
  EXPECT_EQ(line(), "step 1 of 2, about 1 min 10 s left");
  part("validation", 30);
  console_.advance(1);
  EXPECT_EQ(line(), "step 2 of 2, about 41 s left");
}

TEST_F(FakeTime, StepsBeyondTheEstimateLeaveNoNegativeTime) {
  const std::vector<StepCosts> costs(2, {100});
  console_.begin_steps(costs);
  for (int step = 1; step <= 4; ++step) {
    part("gathering statistics", 10);
    EXPECT_THAT(line(), Not(HasSubstr("-")));
    console_.advance(step);
    EXPECT_THAT(line(), Not(HasSubstr("-")));
  }
  console_.begin("gathering statistics", 10);
  pass(4);
  console_.advance(5);
  EXPECT_EQ(line(), "step 5, gathering statistics 50%, about 6 s left");
}

TEST_F(FakeTime, ASteadySpeedBringsTheEndNearerEverySecond) {
  const std::vector<StepCosts> costs = {{5, 20}, {5, 20}, {4, 16}};  // a second for each unit
  console_.begin_steps(costs);
  std::vector<int> left;
  int step = 0;
  for (const StepCosts& parts : costs) {
    for (const double seconds : parts) {
      console_.begin("part", static_cast<int64_t>(seconds));
      for (int i = 1; i <= seconds; ++i) {
        time_ += std::chrono::seconds(1);
        console_.advance(i);
        const std::string text = captured_.text();
        const size_t at = text.rfind("about ");
        if (at != std::string::npos) {
          int minutes = 0, rest = 0;
          if (std::sscanf(text.c_str() + at, "about %d min %d s", &minutes, &rest) != 2) {
            minutes = 0;
            std::sscanf(text.c_str() + at, "about %d s", &rest);
          }
          left.push_back(60 * minutes + rest);
        }
      }
      console_.end();
    }
    console_.advance(++step);
  }
  ASSERT_GT(left.size(), 60u);
  EXPECT_THAT(left, ::testing::Each(::testing::Ge(0)));
  for (size_t i = 1; i < left.size(); ++i) EXPECT_EQ(left[i], left[i - 1] - 1) << i;
}

TEST(ConsoleLines, ShowNothingThatATerminalObeys) {
  Captured captured;
  Console console(captured.stream(), false);
  console.warn("config.json: \x1b[2J is not known");
  console.note(std::string(1 << 20, 'x'));
  EXPECT_THAT(captured.text(), HasSubstr("warning: config.json: \\x1b[2J is not known\n"));
  EXPECT_LT(captured.text().size(), 10000u);
}

}  // namespace
}  // namespace mop
