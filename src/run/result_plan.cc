// run/result_plan.cc
#include "run/result_plan.h"

#include "base/files.h"
#include "base/json.h"
#include "base/read_values.h"
#include "model/family.h"
#include "plan/branch.h"
#include "surgery/surgery.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

fs::path plan_file(const fs::path& result) { return result / "run" / "plan.json"; }

void write(const PrunePlan& plan, const Json& made_by, const fs::path& work) {
  Json json = to_json(plan);
  if (!made_by.is_null()) json["made_by"] = made_by;
  write_file(plan_file(work), to_text(json));
}

}  // namespace

std::optional<PrunePlan> plan_in(const fs::path& result) {
  const fs::path file = plan_file(result);
  if (!fs::exists(file)) return std::nullopt;
  return plan_from_json(read_json(file), file.string());
}

void write_plan(const Model& dense, const Model& model, const std::vector<PlanStep>& steps,
                const Json& made_by, const fs::path& work) {
  PrunePlan plan{dense.checkpoint().fingerprint(), total_parameters(dense.config()), steps};
  plan.values = values_of(model, layer_sources(model), {}, *Checkpoint::open(work), "..");
  write(plan, made_by, work);
}

void write_recovered_plan(const Model& source, const Model& trained, const Json& outcome,
                          const fs::path& work) {
  const fs::path& folder = source.checkpoint().folder();
  std::optional<PrunePlan> plan = plan_in(folder);
  if (!plan) return;
  plan->values = values_of(trained, layers_left(*plan, trained.num_layers()), plan->values,
                           *Checkpoint::open(work), "..");
  Json made_by = read_json(plan_file(folder)).value("made_by", Json());
  if (made_by.is_object()) {
    const Json earlier = part_of(made_by, "recovery");
    for (const char* key : {"steps", "tokens"}) {
      made_by["recovery"][key] = whole_of(earlier, key) + whole_of(outcome, key);
    }
  }
  write(*plan, made_by, work);
}

}  // namespace mop
