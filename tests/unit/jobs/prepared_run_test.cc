// tests/unit/jobs/prepared_run_test.cc -- what a run tells before it begins.
#include "jobs/prepared_run.h"

#include <gmock/gmock.h>

#include "base/json.h"
#include "kit/random_model.h"

namespace mop::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> warnings_of(const std::string& settings) {
  const auto assets = demo_model().parent_path();
  Json recipe = {{"model", demo_model().string()},
                 {"calibration",
                  {{"file", (assets / "text/generated-calibration.txt").string()},
                   {"samples", 8},
                   {"max_tokens", 8}}},
                 {"target", {{"remove", 0.3}}}};
  recipe.update(parse_yaml(settings, "test"));
  return prepare(recipe_from_json(recipe), silent_progress()).warnings;
}

TEST(PreparedRun, TellsSettingsOfCriteriaThatNoBranchReads) {
  const auto told = Contains(
      HasSubstr("settings of 'obs-neurons' have no effect: no branch of the run reads this"));
  EXPECT_THAT(warnings_of("{obs-neurons: {damping: 0.1}}"), told) << "the default method";
  EXPECT_THAT(warnings_of("{width: {criterion: amp}, obs-neurons: {damping: 0.1}}"), told);
  EXPECT_THAT(warnings_of("{width: {criterion: obs}, obs-neurons: {damping: 0.1}}"), Not(told));
}

}  // namespace
}  // namespace mop::testing
