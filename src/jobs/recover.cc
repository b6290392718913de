// jobs/recover.cc
#include "jobs/recover.h"

#include <fmt/format.h>

#include <cmath>

#include "base/build_info.h"
#include "base/error.h"
#include "base/files.h"
#include "collectives/collectives.h"
#include "export/hf_writer.h"
#include "export/peft_writer.h"
#include "jobs/train_model.h"
#include "model/family.h"
#include "report/model_card.h"
#include "report/table.h"
#include "run/describe.h"
#include "run/device_needs.h"
#include "run/manifest.h"
#include "run/model_source.h"
#include "run/needs.h"
#include "run/open_model.h"
#include "run/read_run.h"
#include "run/result_plan.h"
#include "run/run_log.h"
#include "run/runtime.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

// The inputs of the training, opened and checked before anything is written.
struct Inputs {
  RecoverRecipe recipe;
  Model model;
  std::optional<Model> teacher;
  std::shared_ptr<const Tokenizer> tokenizer;
  TrainingTexts texts;
  Json began_with = {};  ///< {config, tokenizer} of `mop train`, as the command named them
};

Inputs open_inputs(const RecoverRecipe& recipe, const fs::path& folder, Progress& progress) {
  Model model = open_dense(folder, progress);
  std::optional<Model> teacher;
  if (find_method(recipe.method).needs_teacher) {
    teacher = open_dense(local_model(recipe.teacher, progress), progress);
  }
  auto tokenizer = open_tokenizer(folder);
  TrainingTexts texts = open_texts(recipe, tokenizer, model, progress);
  if (teacher) texts.pictures->check_teacher(*teacher);
  return {recipe, std::move(model), std::move(teacher), std::move(tokenizer), std::move(texts)};
}

Json make_manifest(const Inputs& inputs, int64_t ranks) {
  const Compute compute = open_compute(inputs.recipe.device, inputs.recipe.dtype);
  Json json = job_manifest(inputs.model, inputs.tokenizer.get());
  if (inputs.teacher) {
    json["teacher"] = {{"fingerprint", inputs.teacher->checkpoint().fingerprint()}};
  }
  json["data"] = {{"samples", inputs.texts.data.size()},
                  {"sha256", inputs.texts.data.fingerprint()}};
  if (!inputs.texts.pictures->empty())
    json["pictures"] = {{"sha256", inputs.texts.pictures->sha256()}};
  if (inputs.texts.validation) {
    json["validation"] = {{"samples", inputs.texts.validation->size()},
                          {"sha256", inputs.texts.validation->fingerprint()}};
  }
  json["compute"] = compute_manifest(inputs.recipe.device, compute.dtype);
  json["compute"]["ranks"] = ranks;
  json["recipe"] = to_json(inputs.recipe);
  return json;
}

// Whether a setting may be changed on resuming; this is reported.
bool may_change(const std::string& difference) {
  return difference.starts_with("recipe.learning_rate:") ||
         difference.starts_with("recipe.learning_rate.") ||  // of a list
         difference.starts_with("recipe.clip:") || difference.starts_with("recipe.save_every:");
}

// Continues the run in the folder, or records a new one.
void sign(const RunFolder& folder, const Inputs& inputs, const Json& manifest, Progress& progress) {
  if (folder.earlier().is_null()) {
    write_file(folder.run() / "recipe.yaml", to_yaml(to_json(inputs.recipe)));
    write_file(folder.run() / "manifest.json", to_text(manifest));
    return;
  }
  const ManifestDifferences differences = compare_manifests(folder.earlier(), manifest);
  std::vector<std::string> refused;
  for (const std::string& line : differences.refused) {
    if (!may_change(line)) {
      refused.push_back(line);
    } else {
      progress.warn("the run continues with a changed setting: " + line);
    }
  }
  if (!refused.empty()) {
    throw usage_error("the earlier run has different settings:\n  {}", fmt::join(refused, "\n  "))
        .where("folder", folder.finished() ? folder.out().string() : folder.work().string())
        .hint("resume with the same settings, or start over with --force");
  }
  for (const std::string& line : differences.noted) {
    progress.warn("rounding may differ from an uninterrupted run: " + line);
  }
}

// Writes FOLDER/adapter if low-rank additions were trained.
void write_adapter(const RecoverRecipe& recipe, const TrainedModel& trained,
                   const std::filesystem::path& folder) {
  if (trained.adapter.empty()) return;
  const LoraOptions& lora = recipe.lora;
  write_peft(folder / "adapter",
             {.base_model = recipe.model,
              .rank = lora.rank,
              .alpha = lora.alpha,
              .dropout = lora.dropout,
              .targets = lora.targets.empty() ? projection_names() : lora.targets,
              .within = trained.model.config().composite != nullptr},
             trained.adapter);
}

std::string card_text(const Inputs& inputs, const Json& metrics, const std::string& name) {
  const Json& outcome = metrics["outcome"];
  std::string text = card_front_matter(name, {"mop"});
  text += fmt::format(
      "# {0}, trained by mop {1}\n\n{2} steps of the method `{3}` over {4} "
      "tokens. It loads like the model it was made from.\n\n",
      name, mop_version(), outcome["steps"].dump(), inputs.recipe.method,
      with_commas(outcome["tokens"].get<int64_t>()));
  if (!outcome["nll_before"].is_null()) {
    Table table({"", "before", "after"});
    const auto perplexity = [&](const char* key) {
      return fmt::format("{:.3f}", std::exp(outcome[key].get<double>()));
    };
    table.add({"perplexity", perplexity("nll_before"), perplexity("nll_best")});
    text += table.markdown() +
            fmt::format("\nOn held-out samples: {}.\n\n", inputs.texts.validation_source);
  }
  return text +
         "`run/recipe.yaml` holds every setting. The licence of the model it was made from "
         "applies.\n\n```yaml\n" +
         to_yaml(to_json(inputs.recipe)) + "```\n";
}

Json finish(RunFolder& folder, const Inputs& inputs, const TrainedModel& trained, Json timing,
            Progress& progress) {
  const ModelConfig& config = trained.model.config();
  const bool from_nothing = inputs.model.checkpoint().folder() == folder.run() / "initial";
  Json metrics = {{"verb", from_nothing ? "train" : "recover"}};
  if (from_nothing) metrics["began_with"] = inputs.began_with;
  metrics["method"] = inputs.recipe.method;
  metrics["parameters"] = total_parameters(config);
  metrics["block_parameters"] = block_parameters(config);
  metrics["shape"] = shape_text(config);
  metrics["outcome"] = trained.outcome;
  metrics["validation"] = inputs.texts.validation_source;
  folder.clean();
  write_hf(trained.model, folder.work(),
           {.model_card = card_text(inputs, metrics, model_name(inputs.recipe.model))}, progress);
  verify_written(folder.work(), trained.model, progress);
  write_adapter(inputs.recipe, trained, folder.work());
  timing["training"] = trained.timing;
  timing["finished"] = utc_now();
  metrics["timing"] = timing;
  write_file(folder.run() / "metrics.json", to_text(metrics));
  write_recovered_plan(inputs.model, trained.model, trained.outcome, folder.work());
  write_run_report(folder.work());
  progress.note("wrote " + folder.out().string());
  folder.publish();
  metrics["out"] = folder.out().string();
  return metrics;
}

// Work of ranks other than 0: computes and writes nothing.
Json follow(const Inputs& inputs, Collectives& ranks, Progress& progress) {
  const fs::path run = ranks.broadcast(std::string_view());
  if (run.empty()) return nullptr;
  train_model({inputs.recipe, inputs.model, inputs.teacher, inputs.texts, run, ranks}, progress);
  ranks.barrier();
  return nullptr;
}

Needs needs_of(const Inputs& inputs) {
  const RecoverRecipe& recipe = inputs.recipe;
  const Compute compute = open_compute(recipe.device, recipe.dtype);
  Needs needs = training_needs(recipe, inputs.model.config(), compute,
                               inputs.model.checkpoint().value_bytes(),
                               inputs.teacher ? &inputs.teacher->config() : nullptr);
  needs.disk_bytes += hf_bytes(inputs.model) + inputs.texts.pictures->row_bytes(compute);
  return needs;
}

// Throws if the training does not fit into the device; the folder of a new run is then removed.
// Returns notices.
std::vector<std::string> check_device(RunFolder& folder, const Inputs& inputs) {
  const RecoverRecipe& recipe = inputs.recipe;
  const Compute compute = open_compute(recipe.device, recipe.dtype);
  if (compute.device.is_cpu()) return {};
  const DeviceNeeds needs =
      training_device_needs(recipe, inputs.model.config(), compute.dtype,
                            inputs.teacher ? &inputs.teacher->config() : nullptr);
  try {
    const std::string streams = check_device_memory(needs, compute);
    return {fmt::format("device: about {} of its memory, {} with streamed weights",
                        short_bytes(needs.resident()), short_bytes(needs.streaming())),
            streams};
  } catch (const Error&) {
    if (folder.earlier().is_null()) folder.discard();
    throw;
  }
}

Json lead(RunFolder& folder, const Inputs& inputs, const Json& manifest, Collectives& ranks,
          Progress& listener) {
  const Needs needs = needs_of(inputs);
  // A resumed run already has most of its files.
  if (folder.earlier().is_null()) check_room(folder, needs);
  std::vector<std::string> of_device;
  if (!folder.finished()) of_device = check_device(folder, inputs);
  sign(folder, inputs, manifest, listener);
  if (folder.finished()) {
    ranks.broadcast(std::string_view());
    return finished_result(folder, listener);
  }
  RunLog progress(folder.run() / "run.log", listener);
  progress.note(fmt::format("needs: about {} of memory and {} of disk",
                            short_bytes(needs.memory_bytes), short_bytes(needs.disk_bytes)));
  for (const std::string& line : of_device) {
    if (!line.empty()) progress.note(line);
  }
  warn_of_memory(needs, progress);
  progress.note("working folder: " + folder.work().string());
  try {
    const Json timing = {{"started", utc_now()}};
    ranks.broadcast(std::string_view(folder.run().native()));
    const TrainedModel trained = train_model(
        {inputs.recipe, inputs.model, inputs.teacher, inputs.texts, folder.run(), ranks}, progress);
    ranks.barrier();  // other ranks use files in the folder that is renamed
    return finish(folder, inputs, trained, timing, progress);
  } catch (const std::exception&) {
    rethrow_resumable(
        {progress.doing(), "--dtype bfloat16 or another device, in a new run", std::nullopt});
  }
}

}  // namespace

Json recover(const RecoverRecipe& recipe, const RecoverCommand& command, Progress& progress,
             Collectives& ranks) {
  const fs::path folder = local_model(recipe.model, progress);
  const Inputs inputs = open_inputs(recipe, folder, progress);
  const Json manifest = make_manifest(inputs, ranks.size());
  check_same_inputs(manifest, ranks, progress);
  if (ranks.rank() > 0) return follow(inputs, ranks, progress);
  RunFolder run = RunFolder::claim(command.out, folder, command.if_there);
  return lead(run, inputs, manifest, ranks, progress);
}

Json train(const TrainJob& job, const RecoverCommand& command, Progress& progress,
           Collectives& ranks) {
  RecoverRecipe recipe = job.recipe;
  recipe.model = job.config.string();
  std::optional<RunFolder> run;
  fs::path initial;
  if (ranks.rank() == 0) {
    run.emplace(RunFolder::claim(command.out, job.config, command.if_there));
    if (!run->finished()) {
      initial = run->run() / "initial";
      write_initial_model(job.config, job.tokenizer, recipe.train.seed, initial);
    }
  }
  initial = ranks.broadcast(std::string_view(initial.native()));
  if (initial.empty()) return run ? finished_result(*run, progress) : Json();
  Inputs inputs = open_inputs(recipe, initial, progress);
  inputs.began_with = {{"config", job.config.string()}, {"tokenizer", job.tokenizer.string()}};
  const Json manifest = make_manifest(inputs, ranks.size());
  check_same_inputs(manifest, ranks, progress);
  return run ? lead(*run, inputs, manifest, ranks, progress) : follow(inputs, ranks, progress);
}

}  // namespace mop
