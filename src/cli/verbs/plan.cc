// cli/verbs/plan.cc -- mop plan MODEL|config.json: sizes of a run, without weights
#include "cli/recipe_flags.h"
#include "cli/verb.h"
#include "report/table.h"
#include "run/describe.h"
#include "run/device_needs.h"

namespace mop {
namespace {

std::string plan_text(const Json& plan) {
  Table table({"step", "branch", "shape", "parameters", "removed", "of layers"});
  const auto row = [&](const Json& step, const std::string& number, const std::string& branch) {
    table.add({number, branch, step_shape_text(step),
               with_commas(step["parameters"].get<int64_t>()),
               percent(step.value("removed_fraction", 0.0)),
               percent(step.value("block_removed_fraction", 0.0))});
  };
  row(plan["dense"], "0", "dense");
  for (const Json& step : plan["steps"]) row(step, step["step"].dump(), step["branch"]);
  std::string text = table.text();
  const std::string widths = plan["widths"];
  if (!widths.empty()) text += widths + "\n";
  std::vector<std::pair<std::string, std::string>> lines;
  for (const auto& [name, line] : unit_lines(plan["units"]))
    lines.emplace_back("dense, " + name, line);
  for (const char* model : {"dense", "after"}) {
    for (const auto& [name, line] : device_memory_lines(plan["device_memory"][model])) {
      lines.emplace_back(fmt::format("{}, {}", model, name), line);
    }
  }
  text += facts(lines);
  for (const Json& warning : plan["warnings"]) text += "note: " + warning.get<std::string>() + "\n";
  return text;
}

}  // namespace

Verb plan_verb() {
  return {
      "plan", "sizes after every step; needs no weights",
      [](CLI::App& app) {
        auto model = std::make_shared<std::string>();
        auto flags = std::make_shared<RecipeFlags>();
        app.add_option("MODEL", *model, "folder of a checkpoint, or its config.json")->required();
        flags->add_sizes(app);
        return [model, flags](Progress&) {
          const Json plan = plan_sizes(*model, flags->recipe());
          return Answer{plan, plan_text(plan)};
        };
      },
      ModelPart::kConfig};
}

}  // namespace mop
