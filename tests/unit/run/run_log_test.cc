#include "run/run_log.h"

#include <gmock/gmock.h>

#include "base/files.h"
#include "kit/random_model.h"

namespace mop {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;

// Notes quote keys and names of a stranger's files.
TEST(RunLog, QuotedTextCannotImitateAnEntryOrCommandTheTerminal) {
  const testing::TempFolder folder;
  const auto file = folder.path() / "run.log";
  RunLog log(file, silent_progress());
  log.warn("unknown key 'a\x1b[2J\n2026-01-01T00:00:00Z  warning: forged'");
  const std::string text = read_file(file);
  EXPECT_THAT(text, HasSubstr("Z  warning: unknown key 'a\\x1b[2J\n    2026-01-01T00:00:00Z"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
  EXPECT_THAT(text, EndsWith("forged'\n"));
}

}  // namespace
}  // namespace mop
