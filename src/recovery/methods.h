// recovery/methods.h -- what each way of recovering trains: low-rank additions or the weights
// themselves.
#pragma once
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/option.h"
#include "gradient/parameters.h"
#include "model/model.h"

namespace mop {

/// Low-rank additions (LoRA, arXiv 2106.09685); the defaults are the MoP paper's.
struct LoraOptions {
  int64_t rank = 32;
  double alpha = 10;      ///< the addition is scaled by alpha / rank
  double dropout = 0.05;  ///< of the addition's input; 0 turns it off
  /// Projections that get one, by the names of `projection_names`; empty = all seven.
  std::vector<std::string> targets;
  double scale() const { return alpha / static_cast<double>(rank); }
};

extern const Option<int64_t> kLoraRank;
extern const Option<double> kLoraAlpha, kLoraDropout;
extern const Option<std::vector<std::string>> kLoraTargets;
extern const Option<double> kDistilTemperature, kDistilCrossEntropy, kDistilHidden;
extern const Option<std::string> kDistilTrains;

/// "q_proj", "k_proj", ..., in the order of a layer.
std::vector<std::string> projection_names();
/// Throws Error(kUsage) listing the known names.
Role projection_role(const std::string& name);
/// The module of a layer that `role` belongs to, "self_attn.q_proj", as the family's table spells
/// it.
std::string module_of(const ModelConfig& config, Role role);

/// One row of the table of methods.
struct Method {
  std::string name;     ///< as `--method` spells it
  std::string summary;  ///< one line for `mop list methods`
  bool needs_teacher;
  /// Learning rates that are tried where the recipe names none, the first without a trial; empty =
  /// those of the method that trains the same parameters.
  std::vector<double> rates;
  std::string source = {};               ///< paper and equation
  std::vector<OptionSpec> options = {};  ///< its section of the recipe, which has its name
  std::vector<int> deviations = {};      ///< from the paper, by number: docs/method.md
};
/// In documentation order: lora, full, distil.
std::span<const Method> all_methods();
const Method& find_method(std::string_view name);

/// A pair of factors for every target of every layer that has it: A uniform in +-1/sqrt(inputs)
/// (kaiming with a = sqrt 5, as PEFT), drawn from `seed`; B zero. Throws Error(kUsage): a rank
/// below 1 or an unknown target.
std::vector<ParameterSpec> lora_parameters(const Model& model, const LoraOptions& options,
                                           uint64_t seed);
/// How many numbers that trains.
int64_t lora_numbers(const ModelConfig& config, const LoraOptions& options);
/// Every tensor of the model. With a tied embedding there is one, which is the head too.
std::vector<ParameterSpec> all_weights(const Model& model);

/// The model with what was trained in it: low-rank additions are added to their weights, trained
/// tensors take the stored ones' place. Each tensor keeps its stored dtype, and lies in a
/// file of the folder `scratch` (tensor/scratch.h): memory would not hold those of a large model.
Model merged(const Model& model, const Parameters& parameters, const LoraOptions& lora,
             const std::filesystem::path& scratch);

}  // namespace mop
