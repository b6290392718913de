// recipe/recipe.cc
#include "recipe/recipe.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "allocate/allocation.h"
#include "base/error.h"
#include "base/options.h"
#include "plan/branches/width_step.h"
#include "recipe/default_method.h"
#include "recipe/recipe_keys.h"
#include "recipe/recipe_options.h"
#include "recipe/recipe_sections.h"
#include "recipe/recovery_section.h"
#include "recipe/repair_section.h"
#include "recipe/weights_section.h"
#include "recipe/width_multiple.h"
#include "tensor/dtype.h"

namespace mop {
namespace {

Options declared_section(const Json& json, const char* name) {
  return section(json, name, options_of(prune_sections(), name));
}

// The top-level settings. A null list counts as absent.
Options top_settings(const Json& json) {
  const std::vector<OptionSpec>& declared = options_of(prune_sections(), "");
  Json top = Json::object();
  for (const OptionSpec& spec : declared) {
    const bool list = spec.type == OptionType::kIntegers || spec.type == OptionType::kTexts;
    if (json.contains(spec.name) && !(list && json[spec.name].is_null())) {
      top[spec.name] = json[spec.name];
    }
  }
  return Options("", top, declared);
}

void read_samples_section(const Json& json, Recipe& recipe) {
  const Options calibration = declared_section(json, "calibration");
  recipe.calibration = calibration.get(recipe_options::kCalibration, "");
  recipe.samples.samples = calibration.get(recipe_options::kSamples);
  recipe.samples.max_tokens = calibration.get(recipe_options::kMaxTokens, 0);
  recipe.samples.random = calibration.get(recipe_options::kSample) == "random";
  recipe.images = calibration.get(recipe_options::kImages);
  recipe.validation =
      declared_section(json, "validation").get(recipe_options::kValidation, std::string());
}

void read_target(const Json& json, Recipe& recipe) {
  const Options target = declared_section(json, "target");
  recipe.target.iterations = target.get(recipe_options::kIterations, 0);
  recipe.target.remove_fraction = target.get(recipe_options::kRemove, 0);
  recipe.target.rounds = target.get(recipe_options::kRounds, 0);
  recipe.target.of_blocks = target.get(recipe_options::kOf) == "blocks";
  recipe.target.of_tower = target.get(recipe_options::kOf) == "tower";
  recipe.target.currency = target.get(recipe_options::kCurrency);
  if (!target.given(recipe_options::kSize)) return;
  recipe.size = target.get(recipe_options::kSize, "");
  recipe.target.size = size_from_text(find_currency(recipe.target.currency), recipe.size);
}

// A number in YAML is a size without a unit.
Json with_size_as_text(Json recipe) {
  if (recipe.contains("target") && recipe["target"].is_object() &&
      recipe["target"].contains("size") && recipe["target"]["size"].is_number()) {
    recipe["target"]["size"] = recipe["target"]["size"].dump();
  }
  return recipe;
}

// `when` belongs to the run, all other settings to the training.
void read_recovery(const Json& json, Recipe& recipe) {
  recipe.recovery = json.value("recovery", Json());
  if (!recipe.recovery.is_object() || !recipe.recovery.contains("when")) return;
  const Options settings("recovery", recipe.recovery);
  recipe.recovers_steps = settings.get(recipe_options::kRecoveryWhen) == "steps";
  recipe.recovery.erase("when");
}

// Settings of the branches and criteria in use.
void read_rows(const Json& json, Recipe& recipe) {
  for (const std::string& name : recipe.branches) {
    recipe.settings[name] = section(json, name, find_branch(name).options).json();
  }
  for (const auto& [key, value] : json.items()) {
    if (!is_criterion(key)) continue;
    recipe.settings[key] = section(json, key, find_criterion(key).options).json();
  }
}

// Negative layer numbers count from the end.
std::vector<int64_t> source_positions(const std::vector<int64_t>& layers, int64_t count) {
  std::set<int64_t> positions;
  for (const int64_t layer : layers) {
    if (layer < -count || layer >= count) {
      throw usage_error("protect has layer {}, but the model has layers 0 to {}", layer, count - 1);
    }
    positions.insert(layer < 0 ? layer + count : layer);
  }
  return {positions.begin(), positions.end()};
}

std::vector<BranchUse> branch_uses(const Recipe& recipe) {
  std::vector<BranchUse> uses;
  for (const std::string& name : recipe.branches) {
    const Branch& branch = find_branch(name);
    uses.push_back({&branch, Options(name, recipe.settings.at(name), branch.options)});
  }
  return uses;
}

// A path uses only the branches that it names.
std::vector<std::string> branches_of_path(const Recipe& recipe, const std::string& letters) {
  std::vector<std::string> names;
  for (const std::string& name : recipe.branches) {
    if (letters.find(find_branch(name).letter) != letters.npos) names.push_back(name);
  }
  return names;
}

// What a step takes must be of what the target counts, or the run would never end.
void check_counted(const Recipe& recipe) {
  if (recipe.target.of_tower && !recipe.target.in_parameters()) {
    throw usage_error("the target counts the vision tower's parameters, and {}",
                      recipe.target.currency)
        .hint("leave `of` or `currency` out");
  }
  for (const BranchUse& use : mix_recipe(recipe).branches) {
    if (recipe.target.of_tower && !use.branch->of_tower) {
      throw usage_error(
          "the target counts the vision tower, and branch '{}' takes from the language model",
          use.branch->name)
          .hint("--set branches=[vision] prunes the tower alone; --of all counts both");
    }
    if (recipe.target.of_blocks && use.branch->of_tower) {
      throw usage_error(
          "the target counts the language model's layers, and branch '{}' takes from the vision "
          "tower",
          use.branch->name)
          .hint("--of tower counts the tower alone, --of all counts both");
    }
  }
}

void check_branches(const Recipe& recipe, const ModelConfig& model) {
  std::vector<const Branch*> rows;
  for (const std::string& name : recipe.branches) rows.push_back(&find_branch(name));
  const auto [selector, argument] = find_selector(recipe.select);
  selector->check(argument, rows);
  if (recipe.plan.empty()) {
    check_target(recipe.target);
    check_counted(recipe);
  }
  for (const BranchUse& use : mix_recipe(recipe).branches) {
    if (recipe.target.rounds == 0 || use.branch->divisible) continue;
    throw usage_error(
        "rounds divide the target equally, and branch '{}' removes whole layers or halves",
        use.branch->name)
        .hint("leave `rounds` out: steps are then one layer's worth");
  }
  for (const BranchUse& use : mix_recipe(recipe).branches) {
    if (recipe.target.in_parameters() || use.branch->any_currency) continue;
    throw usage_error("branch '{}' counts parameters, and the target counts {}", use.branch->name,
                      recipe.target.currency)
        .hint("leave `select` and `branches` out, or take branches that count anything: damage");
  }
  for (const BranchUse& use : branch_uses(recipe)) {
    try {
      use.branch->count({model, layer_worth(model), {}, use.options, {}, {}});
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::kBadInput) throw;  // nothing to remove is the loop's to tell
    }
  }
}

// Null where budgets are parameters, and for a currency that is measured.
std::shared_ptr<const Costs> costs_without_measurement(const Recipe& recipe) {
  const Currency& currency = find_currency(recipe.target.currency);
  if (currency.per_parameter || currency.measured) return nullptr;
  return std::make_shared<const Costs>(currency, recipe.target.stored);
}

const char* counted_text(const Recipe& recipe) {
  return recipe.target.of_blocks ? "blocks" : recipe.target.of_tower ? "tower" : "all";
}

}  // namespace

Recipe recipe_from_json(const Json& given) {
  if (!given.is_object())
    throw usage_error("a recipe must be a map of settings, got {}", given.dump());
  const Json json = with_method(with_size_as_text(given));
  Recipe recipe;
  recipe.method_note = method_note(given);
  const Options top = top_settings(json);
  const auto branches = top.get(recipe_options::kBranches, {});
  if (branches.empty() && top.given(recipe_options::kBranches)) {
    throw usage_error("the recipe's branches are an empty list")
        .hint("omit it for the default method; `mop list branches` shows all");
  }
  if (!branches.empty()) recipe.branches = branches;
  check_recipe_keys(json, recipe.branches);
  read_rows(json, recipe);
  recipe.model = top.get(recipe_options::kModel);
  recipe.plan = top.get(recipe_options::kPlan);
  recipe.select = top.get(recipe_options::kSelect, recipe.select);
  recipe.seed = static_cast<uint64_t>(top.get(recipe_options::kSeed));
  recipe.samples.seed = recipe.seed;
  recipe.protect = top.get(recipe_options::kProtect);
  if (asks_for_repair(json)) recipe.repair = json["repair"];
  recipe.weights = json.value("weights", Json());
  read_recovery(json, recipe);
  read_samples_section(json, recipe);
  read_target(json, recipe);
  recipe.target.weights_alone = asks_for_weights_alone(given);
  const Options compute = declared_section(json, "compute");
  recipe.device = compute.get(recipe_options::kDevice);
  recipe.dtype = compute.get(recipe_options::kDtype, recipe.dtype);
  find_selector(recipe.select);
  return recipe;
}

Json to_json(const Recipe& recipe) {
  Json json;
  json["model"] = recipe.model;
  if (!recipe.plan.empty()) json["plan"] = recipe.plan;
  json["calibration"] = {{"file", recipe.calibration},
                         {"samples", recipe.samples.samples},
                         {"sample", recipe.samples.random ? "random" : "first"},
                         {"max_tokens", recipe.samples.max_tokens}};
  if (!recipe.images.empty()) json["calibration"]["images"] = recipe.images;
  json["validation"] = {{"file", recipe.validation}};
  if (recipe.target.iterations > 0) {
    json["target"] = {{"iterations", recipe.target.iterations}};
    if (recipe.target.of_blocks || recipe.target.of_tower)
      json["target"]["of"] = counted_text(recipe);
    if (!recipe.target.counts_parameters()) json["target"]["currency"] = recipe.target.currency;
  } else if (recipe.plan.empty() && !recipe.target.weights_alone) {
    if (recipe.size.empty()) {
      json["target"]["remove"] = recipe.target.remove_fraction;
    } else {
      json["target"]["size"] = recipe.size;
    }
    json["target"]["of"] = counted_text(recipe);
    if (recipe.target.rounds > 0) json["target"]["rounds"] = recipe.target.rounds;
    if (!recipe.target.counts_parameters()) json["target"]["currency"] = recipe.target.currency;
  }
  if (!recipe.target.weights_alone) json["select"] = recipe.select;
  json["seed"] = recipe.seed;
  if (!recipe.target.weights_alone) {
    json["protect"] = recipe.protect;
    json["branches"] = recipe.branches;
    for (const auto& [name, values] : recipe.settings) json[name] = values;
  }
  json["compute"] = {{"device", recipe.device}, {"dtype", recipe.dtype}};
  if (!recipe.repair.is_null()) json["repair"] = recipe.repair;
  if (!recipe.weights.is_null()) json["weights"] = recipe.weights;
  if (!recipe.recovery.is_null()) json["recovery"] = recipe.recovery;
  if (recipe.recovers_steps) json["recovery"]["when"] = "steps";
  return json;
}

Json read_recipe(const std::filesystem::path& path) {
  Json json = read_yaml(path);
  if (json.is_null()) json = Json::object();
  if (!json.is_object()) {
    throw usage_error("a recipe must be a map of settings").where("recipe", path.string());
  }
  return json;
}

static Json yaml_value(std::string_view text) {
  // Values of flags are parsed as in files, so that `0.4`, `true` and `[0, -1]` mean the same.
  return parse_yaml("value: " + std::string(text), "--set")["value"];
}

void set(Json& recipe, std::string_view key, Json value) {
  Json* place = &recipe;
  for (size_t dot; (dot = key.find('.')) != key.npos; key.remove_prefix(dot + 1)) {
    place = &(*place)[std::string(key.substr(0, dot))];
    if (!place->is_object() && !place->is_null()) {
      throw usage_error("'{}' is a value, not a section", key.substr(0, dot));
    }
  }
  (*place)[std::string(key)] = std::move(value);
}

void set(Json& recipe, std::string_view assignment) {
  const size_t equals = assignment.find('=');
  if (equals == assignment.npos || equals == 0) {
    throw usage_error("--set takes key=value, got '{}'", assignment)
        .hint("for example: --set width.budget=released");
  }
  set(recipe, assignment.substr(0, equals), yaml_value(assignment.substr(equals + 1)));
}

namespace {

// Random criteria use the run's seed unless they set their own.
void seed_criteria(Recipe& recipe, const ModelConfig& model) {
  for (const std::string& name : recipe.branches) {
    const Branch& branch = find_branch(name);
    if (!branch.criteria) continue;
    const auto set = recipe.settings.find(name);
    const bool none = set == recipe.settings.end() || set->second.is_null();
    const Options options = none ? Options() : Options(name, set->second, branch.options);
    for (const std::string& used : branch.criteria(model, options)) {
      Json& settings = recipe.settings[used];
      if (find_criterion(used).draws && !settings.contains("seed")) settings["seed"] = recipe.seed;
      if (settings.empty()) recipe.settings.erase(used);
    }
  }
}

// Random branches and allocations use the run's seed unless they set their own.
void seed_branches(Recipe& recipe) {
  for (const std::string& name : recipe.branches) {
    Json& settings = recipe.settings[name];
    if (find_branch(name).draws && !settings.contains("seed")) settings["seed"] = recipe.seed;
    const Json row = settings.is_object() ? settings.value("allocation", Json()) : Json();
    if (!row.is_string() || !find_allocation(row.get<std::string>()).draws) continue;
    if (!settings.contains("evolution_seed")) settings["evolution_seed"] = recipe.seed;
  }
}

}  // namespace

Recipe resolve(Recipe recipe, const ModelConfig& model) {
  if (recipe.dtype.empty()) recipe.dtype = recipe.device == "cpu" ? "float32" : "bfloat16";
  dtype_from_name(recipe.dtype);
  if (recipe.samples.max_tokens == 0) recipe.samples.max_tokens = model.context;
  recipe.protect = source_positions(recipe.protect, static_cast<int64_t>(model.layers.size()));
  std::vector<OpenWidths> open_widths;
  for (const std::string& name : recipe.branches) {
    const Branch& branch = find_branch(name);
    const Json& given = recipe.settings[name];
    if (!given.contains(kShapeMultiple.name)) {
      open_widths.push_back({name, !given.contains(kHeadMultiple.name)});
    }
    if (branch.defaults) recipe.settings[name] = branch.defaults(model, recipe.settings[name]);
    const Json& settings = recipe.settings[name];
    if (settings.contains("budget") && settings["budget"].is_string()) {
      recipe.target.budget = budget_from_name(settings["budget"].get<std::string>());
    }
  }
  seed_criteria(recipe, model);
  seed_branches(recipe);
  check_branches(recipe, model);
  recipe.target.costs = costs_without_measurement(recipe);
  recipe.target = with_fraction(std::move(recipe.target), model);
  if (!recipe.repair.is_null()) recipe.repair = resolved_repair(recipe.repair);
  recipe.target.biases_follow = repair_adds_tensors(recipe.repair);
  choose_width_multiples(recipe, open_widths, model);
  if (!recipe.weights.is_null()) recipe.weights = resolved_weights(recipe.weights, recipe.seed);
  if (!recipe.weights.is_null() && !recipe.recovery.is_null()) {
    throw usage_error(
        "`recovery` trains all weights, so the zeros of `weights` would not "
        "be kept")
        .hint("omit one of them");
  }
  if (!recipe.recovery.is_null()) recipe.recovery = resolved_recovery(recipe);
  if (recipe.recovers_steps && (!recipe.plan.empty() || !repairs_at_end(recipe.repair).empty())) {
    throw usage_error("recovery.when: steps trains after every step, but {}",
                      recipe.plan.empty() ? "a repair at the end would follow the training"
                                          : "a replayed plan has no steps of its own")
        .hint(repair_adds_tensors(recipe.repair) ? "recovery.when: end, or another repair"
                                                 : "recovery.when: end, or repair.when: steps");
  }
  return recipe;
}

MixRecipe mix_recipe(const Recipe& recipe) {
  const auto [selector, argument] = find_selector(recipe.select);
  Recipe used = recipe;
  if (selector->name == "path") used.branches = branches_of_path(recipe, argument);
  return {.branches = branch_uses(used),
          .selector = recipe.select,
          .seed = recipe.seed,
          .protect = {recipe.protect.begin(), recipe.protect.end()},
          .costs = recipe.target.costs,
          .in_full = recipe.target.size.has_value()};
}

BudgetFunction budget_function(const Recipe& recipe, const ModelConfig& dense) {
  return [target = recipe.target, dense](const ModelConfig& current, int64_t steps_done) {
    return next_budget(target, dense, current, steps_done);
  };
}

}  // namespace mop
