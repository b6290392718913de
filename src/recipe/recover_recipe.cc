// recipe/recover_recipe.cc
#include "recipe/recover_recipe.h"

#include <fmt/format.h>

#include "base/error.h"
#include "base/options.h"
#include "recipe/recipe_sections.h"
#include "recipe/recover_options.h"

namespace mop {
namespace {

namespace options = recover_options;

Options declared(const Json& json, const char* name) {
  return section(json, name, options_of(recover_sections(), name));
}

void read_data(const Json& json, RecoverRecipe& recipe) {
  const Options data = declared(json, "data");
  recipe.data = data.get(options::kData);
  recipe.images = data.get(options::kImages);
  recipe.form.form = data.get(options::kTemplate);
  recipe.form.max_tokens = data.get(options::kMaxTokens);
  recipe.form.text_eos = data.get(options::kEos);
  recipe.batch.shuffle = data.get(options::kShuffle);
  recipe.batch.tokens = data.get(options::kPackTokens);
  const Options validation = declared(json, "validation");
  recipe.validation = validation.get(options::kValidation, std::string());
  recipe.held_out = validation.get(options::kHeldOut);
}

void read_lora(const Options& options, LoraOptions& lora) {
  lora.rank = options.get(kLoraRank);
  lora.alpha = options.get(kLoraAlpha);
  lora.dropout = options.get(kLoraDropout);
  lora.targets = options.get(kLoraTargets, {});
}

void read_distil(const Options& distil, RecoverRecipe& recipe) {
  recipe.mix.temperature = distil.get(kDistilTemperature);
  recipe.mix.cross_entropy = distil.get(kDistilCrossEntropy);
  recipe.hidden_share = distil.get(kDistilHidden);
  recipe.trains_all = distil.get(kDistilTrains) == "full";
}

void read_train(const Options& plain, RecoverRecipe& recipe) {
  TrainOptions& train = recipe.train;
  train.epochs = plain.get(options::kEpochs, 0);
  train.tokens = plain.get(options::kTokens);
  train.minutes = plain.get(options::kMinutes);
  if (train.epochs == 0 && train.tokens == 0 && train.minutes == 0) train.epochs = 2;
  // Several rates are tried, by default the method's; a single one is used as it is.
  recipe.rates =
      plain.get(options::kLearningRate, find_method(recipe.low_rank() ? "lora" : "full").rates);
  train.learning_rate = recipe.rates.front();
  train.schedule = plain.get(options::kSchedule);
  train.warmup = plain.get(options::kWarmup);
  train.adamw.weight_decay = plain.get(options::kWeightDecay);
  train.adamw.clip = plain.get(options::kClip);
  // A packed batch holds as many samples as fit.
  recipe.batch.samples = plain.get(options::kBatch, recipe.batch.tokens > 0 ? 0 : 1);
  train.accumulate = plain.get(options::kAccumulate);
  train.rule = accumulation_from_name(
      plain.get(options::kRule, std::string(recipe.method == "lora" ? "samples" : "tokens")));
  train.patience = plain.get(options::kPatience);
  train.validate_every = plain.get(options::kValidateEvery);
  train.save_every = plain.get(options::kSaveEvery);
  train.seed = recipe.batch.seed = static_cast<uint64_t>(plain.get(options::kSeed));
}

// What the method does not read: sections of methods that train other parameters, and a teacher.
void refuse_settings_without_effect(const Json& json, const RecoverRecipe& recipe) {
  const bool all_weights = recipe.method == "distil" && recipe.trains_all;
  const std::string trained = recipe.method + (all_weights ? " with distil.trains: full" : "");
  for (const Method& other : all_methods()) {
    const bool reads = other.name == recipe.method || (other.name == "lora" && recipe.low_rank());
    if (reads || section(json, other.name).json().empty()) continue;
    throw usage_error("the method is {}, so settings of '{}' have no effect", trained, other.name)
        .hint(fmt::format("leave `{}` out, or choose another method", other.name));
  }
  if (!recipe.teacher.empty() && !find_method(recipe.method).needs_teacher) {
    throw usage_error("the method is {}, so a teacher has no effect", trained)
        .hint("leave the teacher out, or --method distil");
  }
}

// The top-level settings, without the sections.
Options top_settings_of(Json json) {
  for (const RecipeSection& section : recover_sections()) json.erase(section.name);
  if (json.contains("learning_rate") && json["learning_rate"].is_null()) {
    json.erase("learning_rate");
  }
  return Options("recovery", json, options_of(recover_sections(), ""));
}

}  // namespace

RecoverRecipe recover_recipe(const Json& json) {
  if (!json.is_object())
    throw usage_error("recovery must be a map of settings, got {}", json.dump());
  RecoverRecipe recipe;
  const Options plain = top_settings_of(json);
  recipe.model = plain.get(options::kModel);
  recipe.method = plain.get(options::kMethod);
  recipe.teacher = plain.get(options::kTeacher);
  const Method& method = find_method(recipe.method);
  read_data(json, recipe);
  read_lora(declared(json, "lora"), recipe.lora);
  read_distil(declared(json, "distil"), recipe);
  refuse_settings_without_effect(json, recipe);
  read_train(plain, recipe);
  const Options memory = declared(json, "memory");
  recipe.activation_gib = memory.get(options::kActivationGib, recipe.activation_gib);
  recipe.train.piece_tokens = memory.get(options::kPieceTokens);
  const Options compute = declared(json, "compute");
  recipe.device = compute.get(options::kDevice);
  recipe.dtype = compute.get(options::kDtype, recipe.dtype);
  if (recipe.activation_gib < 0 && recipe.device == "cpu") recipe.activation_gib = 2;
  if (recipe.dtype.empty()) recipe.dtype = recipe.device == "cpu" ? "float32" : "bfloat16";
  if (method.needs_teacher && recipe.teacher.empty()) {
    throw usage_error("the method '{}' needs a teacher", method.name).hint("--teacher DENSE");
  }
  return recipe;
}

RecoverRecipe train_recipe(Json json) {
  const Json defaults = {
      {"method", "full"}, {"learning_rate", 1e-3}, {"schedule", "cosine"}, {"warmup", 0.02}};
  if (json.is_object()) {
    json.insert(defaults.begin(), defaults.end());
    if (json["method"] != "distil") return recover_recipe(json);
    Json& distil = json["distil"];
    if (distil.is_null() || distil.is_object()) distil.emplace("trains", "full");
  }
  return recover_recipe(json);
}

Json to_json(const RecoverRecipe& r) {
  const TrainOptions& t = r.train;
  Json json;
  json["model"] = r.model;
  json["method"] = r.method;
  if (!r.teacher.empty()) json["teacher"] = r.teacher;
  json["data"] = {
      {"file", r.data},         {"template", r.form.form},    {"max_tokens", r.form.max_tokens},
      {"eos", r.form.text_eos}, {"shuffle", r.batch.shuffle}, {"pack_tokens", r.batch.tokens}};
  if (!r.images.empty()) json["data"]["images"] = r.images;
  json["validation"] = {{"file", r.validation}, {"samples", r.held_out}};
  if (t.epochs > 0) json["epochs"] = t.epochs;
  if (t.tokens > 0) json["tokens"] = t.tokens;
  if (t.minutes > 0) json["minutes"] = t.minutes;
  json["learning_rate"] = r.rates.size() > 1 ? Json(r.rates) : Json(t.learning_rate);
  json["schedule"] = t.schedule;
  json["warmup"] = t.warmup;
  json["weight_decay"] = t.adamw.weight_decay;
  json["clip"] = t.adamw.clip;
  json["batch"] = r.batch.samples;
  json["accumulate"] = t.accumulate;
  json["rule"] = t.rule == Accumulation::kSamples ? "samples" : "tokens";
  json["patience"] = t.patience;
  json["validate_every"] = t.validate_every;
  json["save_every"] = t.save_every;
  json["seed"] = t.seed;
  if (r.low_rank()) {
    json["lora"] = {{"rank", r.lora.rank}, {"alpha", r.lora.alpha}, {"dropout", r.lora.dropout}};
    if (!r.lora.targets.empty()) json["lora"]["targets"] = r.lora.targets;
  }
  if (r.method == "distil") {
    json["distil"] = {{"temperature", r.mix.temperature},
                      {"cross_entropy", r.mix.cross_entropy},
                      {"hidden", r.hidden_share},
                      {"trains", r.trains_all ? "full" : "lora"}};
  }
  json["memory"] = {{"activation_gib", r.activation_gib}, {"piece_tokens", t.piece_tokens}};
  json["compute"] = {{"device", r.device}, {"dtype", r.dtype}};
  return json;
}

}  // namespace mop
