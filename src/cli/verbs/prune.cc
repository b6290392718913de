// cli/verbs/prune.cc -- mop prune MODEL --out DIR: the main job
#include "jobs/prune.h"

#include "base/error.h"
#include "cli/next_commands.h"
#include "cli/recipe_flags.h"
#include "cli/verb.h"
#include "report/table.h"

namespace mop {
namespace {

struct PruneFlags {
  std::string model, out;
  bool dry_run = false, resume = false, force = false;
  RecipeFlags recipe;
};

// What every currency counts, dense and after.
void add_costs(const Json& costs, Table& table) {
  for (const Json& cost : costs) {
    const int64_t dense = cost["dense"], pruned = cost["pruned"];
    table.add(
        {fmt::format("{}, {}", cost["name"].get<std::string>(), cost["unit"].get<std::string>()),
         with_commas(dense), with_commas(pruned),
         dense == 0 ? "" : percent(1 - static_cast<double>(pruned) / static_cast<double>(dense))});
  }
}

std::string prune_text(const Json& metrics) {
  const Json &dense = metrics["dense"], &pruned = metrics["pruned"], &figures = metrics["figures"];
  Table table({"", "dense", "pruned", "removed"});
  const auto row = [&](const char* name, const char* key, const char* fraction) {
    table.add({name, with_commas(dense[key].get<int64_t>()),
               with_commas(pruned[key].get<int64_t>()), percent(metrics[fraction].get<double>())});
  };
  row("parameters", "parameters", "removed_fraction");
  row("  in layers", "block_parameters", "block_removed_fraction");
  if (metrics.contains("costs")) add_costs(metrics["costs"], table);  // older runs did not say
  if (!figures.is_null()) {
    table.add({"perplexity", fmt::format("{:.3f}", figures["dense"]["perplexity"].get<double>()),
               fmt::format("{:.3f}", figures["pruned"]["perplexity"].get<double>()), ""});
    for (const char* later : {"repaired", "sparse", "recovered"}) {
      if (!figures.contains(later)) continue;
      table.add({std::string("  ") + later, "",
                 fmt::format("{:.3f}", figures[later]["perplexity"].get<double>()), ""});
    }
  }
  std::vector<std::pair<std::string, std::string>> lines = {{"shape", pruned["shape"]}};
  if (metrics.contains("samples")) {  // older runs did not say
    const Json& samples = metrics["samples"];
    lines.emplace_back("samples", samples["statistics"].dump() + " for statistics, " +
                                      samples["validation"].dump() + " for validation");
  }
  if (metrics.contains("weights")) {
    const Json& weights = metrics["weights"];
    lines.emplace_back("zeros", fmt::format("{} of {} weights of the projections ({})",
                                            with_commas(weights["zeros"].get<int64_t>()),
                                            with_commas(weights["weights"].get<int64_t>()),
                                            percent(weights["zero_fraction"].get<double>())));
  }
  lines.emplace_back("wrote", metrics["out"]);
  lines.emplace_back("report", metrics["out"].get<std::string>() + "/run/report.html");
  std::string text = table.text() + facts(lines);
  if (!figures.is_null()) text += "perplexity: " + figures["source"].get<std::string>() + "\n";
  text += "\nnext:\n";
  for (const std::string& command : next_commands(metrics["out"].get<std::string>())) {
    text += fmt::format("  {}\n", command);
  }
  return text;
}

std::string text_of_dry_run(const Json& run) {
  const Json& after = run["after"];
  if (after.is_null()) {
    Table table({"", "dense", "goal", "saved"});
    if (!run["goal"].is_null()) add_costs(Json::array({run["goal"]}), table);
    return (table.empty() ? "" : table.text()) +
           "nothing was done (the sizes depend on measurements)\n";
  }
  std::string text;
  if (!run["accounting"].is_null()) {
    Table steps({"step", "branch", "parameters", "removed", "of layers"});
    for (const Json& step : run["accounting"]["steps"]) {
      steps.add({step["step"].dump(), step["branch"],
                 with_commas(step["parameters"].get<int64_t>()),
                 percent(step["removed_fraction"].get<double>()),
                 percent(step["block_removed_fraction"].get<double>())});
    }
    text = steps.text() + "\n";
  }
  Table table({"", "dense", "after", "saved"});
  for (const auto& [name, key] :
       {std::pair{"parameters", "parameters"}, std::pair{"  in layers", "block_parameters"}}) {
    const int64_t dense = run["dense"][key], left = after[key];
    table.add({name, with_commas(dense), with_commas(left),
               percent(1 - static_cast<double>(left) / static_cast<double>(dense))});
  }
  // Which units go is decided by measurements, and with it what follows from the shape.
  const bool estimated = after["estimated"];
  Json costs = Json::array();
  for (const Json& cost : after["costs"]) {
    if (!estimated || cost["name"] == "memory") costs.push_back(cost);
  }
  add_costs(costs, table);
  text += table.text();
  text += facts({{"shape", estimated ? Json("decided by measurements, and so is the KV cache")
                                     : after["shape"]}});
  return text + "nothing was done\n";
}

Answer run(const PruneFlags& flags, Progress& progress) {
  Json recipe = flags.recipe.recipe();
  if (!flags.model.empty()) set(recipe, "model", flags.model);
  if (flags.dry_run) {
    const Json result = dry_run(recipe_from_json(recipe), progress, flags.out);
    return {result, text_of_dry_run(result)};
  }
  if (flags.out.empty())
    throw usage_error("--out is required").hint("give --out DIR, or --dry-run");
  const IfThere if_there = flags.resume  ? IfThere::kResume
                           : flags.force ? IfThere::kReplace
                                         : IfThere::kRefuse;
  return as_rank(progress, [&](Progress& listener, Collectives& ranks) -> Answer {
    const Json result = prune(recipe_from_json(recipe), {flags.out, if_there}, listener, ranks);
    return {result, result.is_null() ? "" : prune_text(result)};
  });
}

}  // namespace

Verb prune_verb() {
  return {"prune", "make a smaller checkpoint", [](CLI::App& app) {
            auto flags = std::make_shared<PruneFlags>();
            app.add_option("MODEL", flags->model,
                           "folder of the dense checkpoint (or `model` in the recipe)");
            app.add_option("--out", flags->out, "folder for the result and run/")->type_name("DIR");
            flags->recipe.add_sizes(app);
            flags->recipe.add_run(app);
            add_threads_flag(app);
            app.add_flag("--dry-run", flags->dry_run, "say what would be done, and stop");
            app.add_flag("--resume", flags->resume, "continue an interrupted run");
            app.add_flag("--force", flags->force,
                         "start over; replaces only a folder that mop wrote")
                ->excludes("--resume");
            return [flags](Progress& progress) { return run(*flags, progress); };
          }};
}

}  // namespace mop
