// pipeline/teacher_layers.cc
#include "pipeline/teacher_layers.h"

#include <set>

#include "base/files.h"
#include "base/json.h"
#include "plan/plan.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

fs::path plan_file(const Model& model) { return model.checkpoint().folder() / "run" / "plan.json"; }

// Empty when there is no plan, or it was made for another model.
std::vector<int64_t> layers_left(const Model& student, const Model& teacher) {
  const fs::path file = plan_file(student);
  if (!fs::exists(file)) return {};
  const PrunePlan plan = plan_from_json(read_json(file), file.string());
  if (plan.source_fingerprint != teacher.checkpoint().fingerprint()) return {};
  std::set<int64_t> left;
  for (int64_t layer = 0; layer < teacher.num_layers(); ++layer) left.insert(layer);
  for (const PlanStep& step : plan.steps) {
    for (const LayerRemoval& removal : step.removals) {
      if (removal.whole) left.erase(removal.layer);
    }
  }
  return {left.begin(), left.end()};
}

}  // namespace

std::vector<int64_t> teacher_layers(const Model& student, const Model& teacher) {
  const int64_t count = student.num_layers();
  std::vector<int64_t> layers;
  if (student.checkpoint().folder() == teacher.checkpoint().folder()) {
    for (const Layer& layer : student.layers()) layers.push_back(layer.source);
    return layers;
  }
  layers = layers_left(student, teacher);
  if (static_cast<int64_t>(layers.size()) == count) return layers;
  layers.clear();
  for (int64_t i = 0; i < count; ++i) layers.push_back((i + 1) * teacher.num_layers() / count - 1);
  return layers;
}

void pass_on_plan(const Model& model, const fs::path& run) {
  const fs::path file = plan_file(model);
  if (fs::exists(file)) write_file(run / "plan.json", read_file(file));
}

}  // namespace mop
