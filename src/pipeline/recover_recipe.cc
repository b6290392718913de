// pipeline/recover_recipe.cc
#include "pipeline/recover_recipe.h"

#include <cmath>

#include "base/error.h"
#include "base/options.h"
#include "tensor/dtype.h"

namespace mop {
namespace {

int64_t at_least(const Options& options, const char* name, int64_t fallback, int64_t least) {
  const int64_t value = options.integer(name, fallback);
  if (value < least) throw usage_error("{} must be at least {}, got {}", name, least, value);
  return value;
}

void read_data(const Json& json, RecoverRecipe& recipe) {
  const Options data = section(json, "data");
  recipe.data = data.text("file", "");
  recipe.images = data.text("images", "");
  recipe.form.form = data.text("template", "auto");
  recipe.form.max_tokens = at_least(data, "max_tokens", 512, 2);
  recipe.form.text_eos = data.flag("eos", recipe.form.text_eos);
  recipe.batch.shuffle = data.flag("shuffle", true);
  recipe.batch.tokens = at_least(data, "pack_tokens", 0, 0);
  data.check_all_used();
  const Options validation = section(json, "validation");
  recipe.validation = validation.text("file", "");
  recipe.held_out = at_least(validation, "samples", -1, -1);
  validation.check_all_used();
}

void read_lora(const Json& json, LoraOptions& lora) {
  Json plain = json.value("lora", Json::object());
  if (plain.is_object() && plain.contains("targets")) {
    try {
      lora.targets = plain["targets"].get<std::vector<std::string>>();
    } catch (const Json::exception&) {
      throw usage_error("lora.targets must be a list of projections, got {}",
                        plain["targets"].dump());
    }
    plain.erase("targets");
  }
  const Options options("lora", plain);
  lora.rank = at_least(options, "rank", lora.rank, 1);
  lora.alpha = options.number("alpha", lora.alpha);
  lora.dropout = options.number("dropout", lora.dropout);
  options.check_all_used();
  for (const std::string& target : lora.targets) projection_role(target);
}

void read_distil(const Json& json, RecoverRecipe& recipe) {
  const Options distil = section(json, "distil");
  recipe.mix.temperature = distil.number("temperature", 1);
  recipe.mix.cross_entropy = distil.number("cross_entropy", 0);
  recipe.hidden_share = distil.number("hidden", 0);
  const std::string trains = distil.text("trains", "lora");
  if (trains != "lora" && trains != "full") {
    throw usage_error("unknown distil.trains '{}'", trains).hint("known: lora, full");
  }
  recipe.trains_all = trains == "full";
  distil.check_all_used();
  if (!(recipe.mix.temperature > 0)) throw usage_error("distil.temperature must be above 0");
  if (recipe.mix.cross_entropy < 0 || recipe.mix.cross_entropy > 1) {
    throw usage_error("distil.cross_entropy must be in [0, 1]");
  }
  if (recipe.hidden_share < 0) throw usage_error("distil.hidden must not be negative");
}

// A list is tried, by default the method's. One number is used as it is.
void read_rates(const Json& setting, RecoverRecipe& recipe) {
  try {
    recipe.rates = setting.is_null()    ? find_method(recipe.low_rank() ? "lora" : "full").rates
                   : setting.is_array() ? setting.get<std::vector<double>>()
                                        : std::vector<double>{setting.get<double>()};
  } catch (const Json::exception&) {
    recipe.rates.clear();
  }
  if (recipe.rates.empty()) {
    throw usage_error("learning_rate must be a number or a list of numbers, got {}",
                      setting.dump());
  }
  for (const double rate : recipe.rates) {
    if (!(rate > 0) || !std::isfinite(rate))
      throw usage_error("learning_rate must be a finite number above 0, got {}", rate);
  }
  recipe.train.learning_rate = recipe.rates.front();
}

void read_train(const Options& plain, RecoverRecipe& recipe) {
  TrainOptions& train = recipe.train;
  train.epochs = plain.number("epochs", 0);
  train.tokens = at_least(plain, "tokens", 0, 0);
  train.minutes = plain.number("minutes", 0);
  if (train.epochs == 0 && train.tokens == 0 && train.minutes == 0) train.epochs = 2;
  train.schedule = plain.text("schedule", "linear");
  find_schedule(train.schedule);
  train.warmup = plain.number("warmup", 0);
  train.adamw.weight_decay = plain.number("weight_decay", 0);
  train.adamw.clip = plain.number("clip", 1);
  // Packed batches hold what fits.
  recipe.batch.samples = at_least(plain, "batch", recipe.batch.tokens > 0 ? 0 : 1, 0);
  train.accumulate = at_least(plain, "accumulate", 16, 1);
  train.rule =
      accumulation_from_name(plain.text("rule", recipe.method == "lora" ? "samples" : "tokens"));
  train.patience = at_least(plain, "patience", 0, 0);
  train.validate_every = at_least(plain, "validate_every", 0, 0);
  train.save_every = at_least(plain, "save_every", 0, 0);
  train.seed = recipe.batch.seed = static_cast<uint64_t>(at_least(plain, "seed", 0, 0));
}

}  // namespace

RecoverRecipe recover_recipe(const Json& json) {
  if (!json.is_object())
    throw usage_error("recovery must be a map of settings, got {}", json.dump());
  RecoverRecipe recipe;
  Json top = json;
  for (const char* name :
       {"data", "validation", "lora", "distil", "memory", "compute", "learning_rate"}) {
    top.erase(name);
  }
  const Options plain("recovery", top);
  recipe.model = plain.text("model", "");
  recipe.method = plain.text("method", recipe.method);
  recipe.teacher = plain.text("teacher", "");
  const Method& method = find_method(recipe.method);
  read_data(json, recipe);
  read_lora(json, recipe.lora);
  read_distil(json, recipe);
  read_rates(json.value("learning_rate", Json()), recipe);
  read_train(plain, recipe);
  plain.check_all_used();
  const Options memory = section(json, "memory");
  recipe.activation_gib = memory.number("activation_gib", recipe.activation_gib);
  recipe.train.piece_tokens = at_least(memory, "piece_tokens", 0, 0);
  memory.check_all_used();
  const Options compute = section(json, "compute");
  recipe.device = compute.text("device", recipe.device);
  recipe.dtype = compute.text("dtype", recipe.dtype);
  compute.check_all_used();
  if (recipe.activation_gib < 0 && recipe.device == "cpu") recipe.activation_gib = 2;
  if (recipe.dtype.empty()) recipe.dtype = recipe.device == "cpu" ? "float32" : "bfloat16";
  if (method.needs_teacher && recipe.teacher.empty()) {
    throw usage_error("the method '{}' learns from another model", method.name)
        .hint("--teacher DENSE");
  }
  return recipe;
}

RecoverRecipe train_recipe(Json json) {
  const Json defaults = {
      {"method", "full"}, {"learning_rate", 1e-3}, {"schedule", "cosine"}, {"warmup", 0.02}};
  if (json.is_object()) json.insert(defaults.begin(), defaults.end());
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
