// A plan.json.
#include "plan/plan.h"

#include "base/parse_json.h"
#include "fuzz/json_mutator.h"
#include "fuzz/target.h"

using namespace mop;

MOP_MUTATE_JSON(Json)

MOP_FUZZ(bytes) {
  const PrunePlan plan = plan_from_json(parse_json(bytes), "plan.json");
  if (to_json(plan_from_json(to_json(plan), "again")) != to_json(plan)) std::abort();
}
