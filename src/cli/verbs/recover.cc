// cli/verbs/recover.cc -- mop recover MODEL --data FILE --out DIR, and mop train
#include "jobs/recover.h"

#include <cmath>

#include "base/error.h"
#include "cli/setting_flags.h"
#include "cli/verb.h"
#include "recipe/recipe.h"
#include "recipe/recipe_sections.h"
#include "report/table.h"

namespace mop {
namespace {

struct RecoverFlags {
  std::string model, config, tokenizer, out, recipe;
  bool resume = false, force = false;
  std::vector<std::pair<std::string, Json>> flags;
  std::vector<std::string> sets;
};

// Adds flags for settings that a recipe file can also set.
void add_flags(CLI::App& app, RecoverFlags& flags, std::span<const SettingFlag> settings) {
  for (const SettingFlag& flag : settings) {
    const auto keep = [&flags, key = std::string(flag.key)](Json value) {
      flags.flags.emplace_back(key, std::move(value));
    };
    add_setting(app, flag, recover_setting(flag.key), keep);
  }
}

void add_common(CLI::App& app, RecoverFlags& flags) {
  add_flags(app, flags, training_flags());
  auto *epochs = app.get_option("--epochs"), *tokens = app.get_option("--tokens"),
       *minutes = app.get_option("--minutes");
  epochs->excludes(tokens)->excludes(minutes);
  tokens->excludes(minutes);
  add_threads_flag(app);
  app.add_option("--out", flags.out, "folder for the result and run/")
      ->type_name("DIR")
      ->required();
  app.add_option("--recipe", flags.recipe, "YAML file with all settings; flags override it")
      ->type_name("FILE");
  app.add_option("--set", flags.sets,
                 "any setting (`mop list recovery`): learning_rate=1e-4, lora.rank=8")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
  app.add_flag("--resume", flags.resume, "continue an interrupted run");
  app.add_flag("--force", flags.force, "start over; replaces only a folder that mop wrote")
      ->excludes("--resume");
}

Json settings(const RecoverFlags& flags) {
  Json json = flags.recipe.empty() ? Json::object() : read_recipe(flags.recipe);
  for (const auto& [key, value] : flags.flags) {
    // The limits exclude each other: a flag replaces the one in the file.
    if (key == "epochs" || key == "tokens" || key == "minutes") {
      for (const char* limit : {"epochs", "tokens", "minutes"}) json.erase(limit);
    }
    set(json, key, value);
  }
  for (const std::string& assignment : flags.sets) set(json, assignment);
  if (!flags.model.empty()) set(json, "model", flags.model);
  return json;
}

IfThere if_there(const RecoverFlags& flags) {
  return flags.resume ? IfThere::kResume : flags.force ? IfThere::kReplace : IfThere::kRefuse;
}

// Returns "0.001, the best of 0.0001 (12.346), 0.001 (11.201)", with the held-out perplexities of
// the trials.
std::string rate_text(const Json& outcome) {
  std::string text = fmt::format("{:g}", outcome["learning_rate"].get<double>());
  const Json trials = outcome.value("trials", Json::array());
  for (const Json& trial : trials) {
    const Json& nll = trial["nll"];
    text += fmt::format(
        "{} {:g} ({})", &trial == &trials.front() ? ", the best of" : ",",
        trial["learning_rate"].get<double>(),
        nll.is_null() ? "not finite" : fmt::format("{:.3f}", std::exp(nll.get<double>())));
  }
  return text;
}

std::string recover_text(const Json& metrics) {
  if (metrics.is_null()) return "";  // a rank other than 0
  const Json& outcome = metrics["outcome"];
  std::string text = facts(
      {{"trained", fmt::format("{} steps, {} tokens ({} scored), ended by {}",
                               with_commas(outcome["steps"].get<int64_t>()),
                               with_commas(outcome["tokens"].get<int64_t>()),
                               with_commas(outcome["scored_tokens"].get<int64_t>()),
                               outcome["ended_by"].get<std::string>())},
       {"last loss", fmt::format("{:.4f}", outcome["loss"].get<double>())},
       {"speed",
        fmt::format("{} tokens/s",
                    with_commas(static_cast<int64_t>(
                        metrics["timing"]["training"]["tokens_per_second"].get<double>())))}});
  text += facts({{"learning rate", rate_text(outcome)}});
  if (!outcome["nll_before"].is_null()) {
    const double before = outcome["nll_before"], best = outcome["nll_best"];
    text += facts(
        {{"perplexity",
          fmt::format("{:.3f} before, {:.3f} after (step {}; {})", std::exp(before), std::exp(best),
                      outcome["best_step"].dump(), metrics["validation"].get<std::string>())}});
  }
  return text + facts({{"wrote", metrics["out"]},
                       {"report", metrics["out"].get<std::string>() + "/run/report.html"}});
}

}  // namespace

Verb recover_verb() {
  return {
      "recover", "train a pruned checkpoint: low-rank, full, or towards the dense model",
      [](CLI::App& app) {
        auto flags = std::make_shared<RecoverFlags>();
        app.add_option("MODEL", flags->model,
                       "folder of the checkpoint (or `model` in the recipe)");
        add_flags(app, *flags, recover_flags());
        add_common(app, *flags);
        return [flags](Progress& progress) {
          const RecoverRecipe recipe = recover_recipe(settings(*flags));
          if (recipe.model.empty()) {
            throw usage_error("MODEL is missing")
                .hint("give the folder of the pruned model, or `model` in the recipe");
          }
          return as_rank(progress, [&](Progress& listener, Collectives& ranks) -> Answer {
            const Json result = recover(recipe, {flags->out, if_there(*flags)}, listener, ranks);
            return {result, recover_text(result)};
          });
        };
      }};
}

Verb train_verb() {
  return {"train", "train a model of random weights from a config.json", [](CLI::App& app) {
            auto flags = std::make_shared<RecoverFlags>();
            app.add_option("--config", flags->config, "config.json, or a folder that holds one")
                ->required();
            app.add_option("--tokenizer", flags->tokenizer, "folder or file of the tokenizer")
                ->required();
            add_common(app, *flags);
            return [flags](Progress& progress) {
              const TrainJob job{flags->config, flags->tokenizer, train_recipe(settings(*flags))};
              return as_rank(progress, [&](Progress& listener, Collectives& ranks) -> Answer {
                const Json result = train(job, {flags->out, if_there(*flags)}, listener, ranks);
                return {result, recover_text(result)};
              });
            };
          }};
}

}  // namespace mop
