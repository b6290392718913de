// pipeline/teacher_layers.cc
#include "pipeline/teacher_layers.h"

#include <optional>

#include "base/files.h"
#include "base/json.h"
#include "plan/plan.h"
#include "surgery/surgery.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

fs::path plan_file(const Model& model) { return model.checkpoint().folder() / "run" / "plan.json"; }

std::optional<PrunePlan> plan_of(const Model& model) {
  const fs::path file = plan_file(model);
  if (!fs::exists(file)) return std::nullopt;
  return plan_from_json(read_json(file), file.string());
}

}  // namespace

std::vector<int64_t> teacher_layers(const Model& student, const Model& teacher) {
  const int64_t count = student.num_layers();
  std::vector<int64_t> layers;
  if (student.checkpoint().folder() == teacher.checkpoint().folder()) {
    for (const Layer& layer : student.layers()) layers.push_back(layer.source);
    return layers;
  }
  const std::optional<PrunePlan> plan = plan_of(student);
  if (plan && plan->source_fingerprint == teacher.checkpoint().fingerprint()) {
    const IndexList left = layers_left(*plan, count);
    if (left.back() < teacher.num_layers()) return {left.begin(), left.end()};
  }
  for (int64_t i = 0; i < count; ++i) layers.push_back((i + 1) * teacher.num_layers() / count - 1);
  return layers;
}

void write_recovered_plan(const Model& source, const Model& trained, const fs::path& work) {
  std::optional<PrunePlan> plan = plan_of(source);
  if (!plan) return;
  plan->values = values_of(trained, layers_left(*plan, trained.num_layers()), plan->values,
                           *Checkpoint::open(work), "..");
  Json json = to_json(*plan);
  const Json earlier = read_json(plan_file(source));
  if (earlier.contains("made_by")) json["made_by"] = earlier["made_by"];
  write_file(work / "run" / "plan.json", to_text(json));
}

}  // namespace mop
