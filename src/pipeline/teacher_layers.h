// pipeline/teacher_layers.h -- which layers of the dense model a pruned one's came from.
#pragma once
#include <cstdint>
#include <vector>

#include "model/model.h"

namespace mop {

/// The teacher's layer that each of the student's answers to, rising: the one it came from, when
/// both are views of one checkpoint or the student's folder holds the plan that made it from the
/// teacher (run/plan.json); else evenly spread, the last ones together. Throws what reading such a
/// plan throws.
std::vector<int64_t> teacher_layers(const Model& student, const Model& teacher);

}  // namespace mop
