// run/teacher_layers.h -- which layers of the dense model correspond to those of a pruned
// model.
#pragma once
#include <cstdint>
#include <vector>

#include "model/model.h"

namespace mop {

/// Returns the teacher's layer for each layer of the student, increasing: its source layer, if both
/// are views of one checkpoint or the student's folder has the plan that made it from the teacher
/// (run/plan.json); else evenly distributed, with the last layers matched. Throws as reading such a
/// plan does.
std::vector<int64_t> teacher_layers(const Model& student, const Model& teacher);

}  // namespace mop
