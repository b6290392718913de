// A model's config.json.
#include "model/config.h"

#include "base/parse_json.h"
#include "fuzz/json_mutator.h"
#include "fuzz/target.h"

MOP_MUTATE_JSON(Json)

MOP_FUZZ(bytes) { mop::parse_config(mop::parse_json(bytes), "config.json").longest(); }
