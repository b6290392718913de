// cli/recipe_flags.cc
#include "cli/recipe_flags.h"

#include "pipeline/recipe.h"

namespace mop {

template <typename T>
CLI::Option* RecipeFlags::add(CLI::App& app, const std::string& flag, const std::string& key,
                              const std::string& help) {
  const auto keep = [this, key](const T& value) { flags_.emplace_back(key, Json(value)); };
  CLI::Option* option = app.add_option_function<T>(flag, keep, help);
  // A flag given twice: the last one counts, so that scripts can append.
  if constexpr (!CLI::detail::is_mutable_container<T>::value) option->take_last();
  return option;
}

void RecipeFlags::add_sizes(CLI::App& app) {
  app.add_option("--recipe", file_, "YAML file with all settings; flags override it")
      ->type_name("FILE");
  auto* iterations = add<int64_t>(app, "--iterations", "target.iterations", "number of steps");
  auto* remove =
      add<double>(app, "--remove", "target.remove", "fraction of the parameters to remove, 0.4");
  auto* of =
      add<std::string>(app, "--of", "target.of", "what --remove counts: all (default) or blocks");
  iterations->excludes(remove)->excludes(of);
  add<std::string>(
      app, "--target", "target.currency",
      "what --remove counts: parameters (default), latency (of a token, measured here), "
      "memory or kv-cache");
  add<int64_t>(app, "--rounds", "target.rounds",
               "steps of equal size to the target, each with statistics anew (default 2)");
  const auto keep_uniform = [this](int64_t) { flags_.emplace_back("uniform", Json(true)); };
  app.add_flag_function("--uniform", keep_uniform,
                        "all layers keep equal sizes, which some runtimes want");
  add<std::string>(app, "--select", "select",
                   "MoP's loop over depth and width: path:LGGL.., random, perplexity, kl or cosine "
                   "(default: no loop, units of the least predicted damage)");
  add<int64_t>(app, "--seed", "seed", "of random choices (default 0)");
  add<std::string>(app, "--budget", "width.budget", "exact (default) or released");
  add<std::string>(app, "--rule", "width.rule",
                   "mha, mlp-only or gqa (default: what the model has)");
  add<std::string>(
      app, "--criterion", "width.criterion",
      "what ranks heads and neurons: amp, wanda-sp, flap, taylor .. (`mop list criteria`)");
  add<std::string>(app, "--depth-rule", "depth.rule",
                   "which layer goes: block-influence, perplexity .. (`mop list depth-rules`)");
  add<std::string>(
      app, "--allocation", "width.allocation",
      "uniform (default), global, owl ..: layers come to differ (`mop list allocations`)");
  add<int64_t>(app, "--min-kv-groups", "width.min_kv_groups",
               "KV groups that every layer keeps (default 1)");
  add<int64_t>(app, "--shape-multiple", "width.shape_multiple",
               "MLP widths and heads * head_dim stay multiples of this (default: 32 to 256, what "
               "meets the target; 1 meets it exactly)");
  add<std::vector<int64_t>>(app, "--protect", "protect",
                            "layers that are not removed whole: 0,1,-1")
      ->delimiter(',');
  app.add_option("--set", sets_, "any setting of the recipe: width.budget=released")
      ->type_name("KEY=VALUE");
}

void RecipeFlags::add_run(CLI::App& app) {
  add<std::string>(app, "--calibration", "calibration.file",
                   "text to measure on: .txt, .jsonl or .json");
  add<std::string>(app, "--images", "calibration.images",
                   "folder of the samples' pictures (default: that of the file), for LLaVA");
  add<std::string>(
      app, "--validation", "validation.file",
      "text that selectors judge on (default: the samples behind the calibration ones)");
  add<int64_t>(app, "--samples", "calibration.samples", "how many samples (default 128)");
  add<std::string>(app, "--sample", "calibration.sample", "first (default) or random");
  add<int64_t>(app, "--max-tokens", "calibration.max_tokens",
               "cut samples (default: the model's context)");
  add<std::string>(
      app, "--repair", "repair.method",
      "new values for what is left, without training: least-squares (default, none with "
      "--select), reconstruction, bias or none");
  add<std::string>(
      app, "--weights", "weights.method",
      "single weights that become zero: sparsegpt (default with --sparsity or --pattern), wanda, "
      "magnitude or random; alone or of what --remove leaves");
  auto* sparsity = add<double>(app, "--sparsity", "weights.sparsity",
                               "fraction of the projections' weights that become zero (0.5)");
  add<std::string>(app, "--pattern", "weights.pattern",
                   "2:4: zeros so that so many of each group of inputs stay")
      ->excludes(sparsity);
  auto* plan = add<std::string>(app, "--plan", "plan", "replay the steps of a plan.json");
  plan->excludes(app.get_option("--iterations"))->excludes(app.get_option("--remove"));
  add<std::string>(app, "--device", "compute.device", "cpu (default) or cuda");
  add<std::string>(app, "--dtype", "compute.dtype", "float32 or bfloat16");
}

Json RecipeFlags::recipe() const {
  Json recipe = file_.empty() ? Json::object() : read_recipe(file_);
  for (const auto& [key, value] : flags_) {
    // The kinds of target exclude each other: a flag replaces what the file says.
    if (key == "plan") recipe.erase("target");
    if (key == "target.iterations" || key == "target.remove") recipe.erase("plan");
    if (key == "target.iterations") recipe.erase("target");
    if (key == "target.remove" && recipe.contains("target") && recipe["target"].is_object()) {
      recipe["target"].erase("iterations");
    }
    set(recipe, key, value);
  }
  for (const std::string& assignment : sets_) set(recipe, assignment);
  return recipe;
}

}  // namespace mop
