#include "pipeline/teacher_layers.h"

#include <gmock/gmock.h>

#include "base/files.h"
#include "kit/random_model.h"
#include "plan/plan.h"

namespace mop {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using testing::TempFolder;

class TeacherLayersTest : public ::testing::Test {
 protected:
  TeacherLayersTest()
      : dense_(make("dense", 6)), pruned_(make("pruned", 3)), other_(make("other", 6, 9)) {}

  Model make(const std::string& name, int64_t layers, uint64_t seed = 1) {
    testing::write_random_model(temp_.path() / name, {.layers = layers, .seed = seed});
    return Model::open(temp_.path() / name);
  }
  // Layers 1, 4 and 3 go, in two steps with a narrower one between.
  PrunePlan plan() const {
    PrunePlan plan{dense_.checkpoint().fingerprint(), 0, {}};
    plan.steps.push_back({"depth", {{1, true, {}, {}, {}}, {4, true, {}, {}, {}}}, {}, 0});
    plan.steps.push_back({"width", {{0, false, {}, {}, {3}}}, {}, 0});
    plan.steps.push_back({"depth", {{3, true, {}, {}, {}}}, {}, 0});
    return plan;
  }
  void write_plan(const fs::path& run) const {
    fs::create_directories(run);
    write_file(run / "plan.json", to_text(to_json(plan())));
  }
  fs::path run_of(const std::string& name) const { return temp_.path() / name / "run"; }

  TempFolder temp_;
  Model dense_, pruned_, other_;
};

TEST_F(TeacherLayersTest, ThePlanOfAPrunedFolderSaysWhichLayersAreLeft) {
  write_plan(run_of("pruned"));
  EXPECT_THAT(teacher_layers(pruned_, dense_), ElementsAre(0, 2, 5));
}

TEST_F(TeacherLayersTest, AnotherTeacherOrNoPlanSpreadsThemEvenly) {
  EXPECT_THAT(teacher_layers(pruned_, dense_), ElementsAre(1, 3, 5));
  write_plan(run_of("pruned"));
  EXPECT_THAT(teacher_layers(pruned_, other_), ElementsAre(1, 3, 5));
}

TEST_F(TeacherLayersTest, AViewOfTheTeachersCheckpointKnowsItsSources) {
  std::vector<Layer> layers = dense_.layers();
  layers.erase(layers.begin() + 3);
  EXPECT_THAT(teacher_layers(dense_.with_layers(layers), dense_), ElementsAre(0, 1, 2, 4, 5));
}

TEST_F(TeacherLayersTest, ThePlanIsHandedOn) {
  fs::create_directories(temp_.path() / "next");
  pass_on_plan(pruned_, temp_.path() / "next");
  EXPECT_FALSE(fs::exists(temp_.path() / "next/plan.json"));
  write_plan(run_of("pruned"));
  pass_on_plan(pruned_, temp_.path() / "next");
  EXPECT_EQ(read_file(temp_.path() / "next/plan.json"), read_file(run_of("pruned") / "plan.json"));
}

}  // namespace
}  // namespace mop
