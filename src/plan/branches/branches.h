// plan/branches/branches.h -- the built-in branches; each function returns one row of the table.
#pragma once
#include "plan/branch.h"

namespace mop {

Branch depth_branch();
Branch amp_width_branch();
Branch damage_branch();
Branch uniform_damage_branch();
Branch attention_branch();
Branch mlp_branch();
Branch gates_branch();
Branch vision_branch();
Branch hidden_branch();

}  // namespace mop
