#include "cli/console.h"

#include <gmock/gmock.h>
#include <signal.h>
#include <unistd.h>

#include <array>
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

TEST(ConsoleTerminal, EstimatesWhatIsLeftWithoutWhatWasDoneBefore) {
  Captured captured;
  Console console(captured.stream(), true);
  console.begin("steps", 4);
  console.advance(2);  // resumed after step 2
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  console.advance(3);
  EXPECT_THAT(captured.text(), HasSubstr("step 4 of 4, about 1 s left"));
}

}  // namespace
}  // namespace mop
