#include "run/teacher_layers.h"

#include <gmock/gmock.h>

#include "base/files.h"
#include "kit/random_model.h"
#include "plan/plan.h"
#include "run/result_plan.h"

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

TEST_F(TeacherLayersTest, ThePlanIsHandedOnWithWhatTrainingChanged) {
  // "other" stands for the folder that holds the trained model: layer 1 of it was layer 2 once.
  Model trained = make("work", 3, 7);
  fs::create_directories(run_of("work"));
  write_recovered_plan(pruned_, trained, {}, temp_.path() / "work");
  EXPECT_FALSE(fs::exists(run_of("work") / "plan.json")) << "there is none to hand on";

  write_plan(run_of("pruned"));
  std::vector<Layer> layers = pruned_.layers();
  const std::string name = "model.layers.1.mlp.down_proj.weight";
  layers[1].changed[Role::kDown] = trained.checkpoint().tensor(name);
  write_recovered_plan(pruned_, pruned_.with_layers(layers), {}, temp_.path() / "work");
  const fs::path file = run_of("work") / "plan.json";
  const PrunePlan handed_on = plan_from_json(read_json(file), file.string());
  EXPECT_EQ(handed_on.steps, plan().steps);
  EXPECT_EQ(handed_on.values.checkpoint, "..");
  ASSERT_EQ(handed_on.values.sha256.size(), 1u);
  EXPECT_EQ(handed_on.values.sha256.begin()->first, "model.layers.2.mlp.down_proj.weight");
}

}  // namespace
}  // namespace mop
