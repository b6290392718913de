// criteria/registry.h -- the built-in criteria; each function returns one row of the table.
#pragma once
#include "criteria/criterion.h"

namespace mop {

Criterion amp_heads();
Criterion amp_neurons();
Criterion magnitude_heads();
Criterion magnitude_neurons();
Criterion random_heads();
Criterion random_neurons();
Criterion wanda_sp_heads();
Criterion wanda_sp_neurons();
Criterion fasp_heads();
Criterion fasp_neurons();
Criterion flap_heads();
Criterion flap_neurons();
Criterion energy_heads();
Criterion energy_neurons();
Criterion obs_heads();
Criterion obs_neurons();
Criterion taylor_heads();
Criterion taylor_neurons();
Criterion fisher_heads();
Criterion fisher_neurons();
Criterion cfsp_neurons();
Criterion minitron_heads();
Criterion minitron_neurons();
Criterion block_influence_layers();
Criterion taylor_layers();
Criterion magnitude_layers();
Criterion random_layers();
Criterion cfsp_layers();
Criterion owl_layers();
Criterion ecoflap_layers();
Criterion mope_heads();
Criterion mope_neurons();
Criterion minitron_hidden();
Criterion energy_hidden();
Criterion magnitude_hidden();
Criterion random_hidden();

}  // namespace mop
