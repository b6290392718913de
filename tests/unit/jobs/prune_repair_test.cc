// tests/unit/jobs/prune_repair_test.cc -- a recipe's section `repair`.
#include "jobs/prune_repair.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "kit/random_model.h"
#include "model/family.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

std::string refusal(const Json& section) {
  try {
    resolved_repair(section);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(RunRepair, AMethodHasTheSettingsThatItReads) {
  EXPECT_EQ(resolved_repair(Json::object()),
            (Json{{"method", "least-squares"}, {"when", "end"}, {"damping", 0.0}}));
  EXPECT_EQ(resolved_repair({{"method", "reconstruction"}, {"steps", 50}}),
            (Json{{"method", "reconstruction"},
                  {"when", "end"},
                  {"damping", 0.0},
                  {"steps", 50},
                  {"learning_rate", 5e-4}}));
  EXPECT_EQ(resolved_repair({{"method", "bias"}}), (Json{{"method", "bias"}, {"when", "end"}}));
}

TEST(RunRepair, RefusesWhatDoesNotSuit) {
  EXPECT_THAT(refusal({{"steps", 50}}), HasSubstr("repair does not know: steps"));
  EXPECT_THAT(refusal({{"method", "reconstruction"}, {"step", 50}}), HasSubstr("step"));
  EXPECT_THAT(refusal({{"method", "reconstruction"}, {"steps", 0}}), HasSubstr("at least 1"));
  EXPECT_THAT(refusal({{"method", "reconstruction"}, {"learning_rate", 0}}), HasSubstr("above 0"));
  EXPECT_THAT(refusal({{"method", "reconstruction"}, {"learning_rate", 1}}), HasSubstr("below 1"));
  EXPECT_THAT(refusal({{"when", "never"}}), HasSubstr("known: end, steps"));
  EXPECT_THAT(refusal({{"method", "bias"}, {"damping", 0.5}}),
              HasSubstr("repair does not know: damping"));
  EXPECT_THAT(refusal({{"method", "bias"}, {"when", "steps"}}),
              HasSubstr("'bias' adds tensors, which steps do not count"));
}

TEST(RunRepair, TrainingComesOnceAtTheEndBehindLeastSquares) {
  const auto passes = [](const char* method, const char* when) {
    return repairs_at_end(resolved_repair({{"method", method}, {"when", when}}));
  };
  EXPECT_EQ(passes("least-squares", "steps").size(), 0u);
  EXPECT_EQ(passes("least-squares", "end").size(), 1u);
  ASSERT_EQ(passes("reconstruction", "steps").size(), 1u);
  EXPECT_EQ(passes("reconstruction", "steps")[0].run, reconstruct_layers);
  ASSERT_EQ(passes("reconstruction", "end").size(), 2u);
  EXPECT_EQ(passes("reconstruction", "end")[0].run, least_squares_repair);
  EXPECT_EQ(repair_of_steps(resolved_repair({{"method", "reconstruction"}})).run,
            least_squares_repair);
  EXPECT_TRUE(repairs_at_end(Json()).empty());
}

TEST(RunRepair, TellsWhatTrainingCosts) {
  const Json trained = resolved_repair({{"method", "reconstruction"}}),
             solved = resolved_repair(Json::object());
  EXPECT_EQ(repair_text(solved, 20480), "least-squares");
  // 200 steps of 1024 tokens are 10 passes, with their gradients 30.
  EXPECT_THAT(repair_text(trained, 20480), HasSubstr("as much as 32 forward passes"));
  TempFolder folder;
  write_random_model(folder.path());
  const ModelConfig config = Model::open(folder.path()).config();
  const Needs more = repair_needs(trained, config, Compute(), 4096, 4),
              less = repair_needs(solved, config, Compute(), 4096, 4);
  EXPECT_GE(more.memory_bytes, less.memory_bytes);
  EXPECT_GE(more.disk_bytes, less.disk_bytes + 4 * block_parameters(config));
}

}  // namespace
}  // namespace mop::testing
