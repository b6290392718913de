// run/teacher_layers.cc
#include "run/teacher_layers.h"

#include <optional>

#include "plan/branch.h"
#include "run/result_plan.h"

namespace mop {

std::vector<int64_t> teacher_layers(const Model& student, const Model& teacher) {
  const int64_t count = student.num_layers();
  if (student.checkpoint().folder() == teacher.checkpoint().folder()) {
    const IndexList own = layer_sources(student);
    return {own.begin(), own.end()};
  }
  const std::optional<PrunePlan> plan = plan_in(student.checkpoint().folder());
  if (plan && plan->source_fingerprint == teacher.checkpoint().fingerprint()) {
    const IndexList left = layers_left(*plan, count);
    if (left.back() < teacher.num_layers()) return {left.begin(), left.end()};
  }
  std::vector<int64_t> layers;
  for (int64_t i = 0; i < count; ++i) layers.push_back((i + 1) * teacher.num_layers() / count - 1);
  return layers;
}

}  // namespace mop
