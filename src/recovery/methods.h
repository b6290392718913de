// recovery/methods.h -- the parameters that each recovery method trains: low-rank additions or all
// weights.
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
  double dropout = 0.05;  ///< of the addition's input; 0 = off
  /// Projections with an addition, by the names of `projection_names`; empty = all seven.
  std::vector<std::string> targets;
  double scale() const { return alpha / static_cast<double>(rank); }
};

extern const Option<int64_t> kLoraRank;
extern const Option<double> kLoraAlpha, kLoraDropout;
extern const Option<std::vector<std::string>> kLoraTargets;
extern const Option<double> kDistilTemperature, kDistilCrossEntropy, kDistilHidden;
extern const Option<std::string> kDistilTrains;

/// Returns "q_proj", "k_proj", ..., in the order of a layer.
std::vector<std::string> projection_names();
/// Throws Error(kUsage) listing the known names.
Role projection_role(const std::string& name);
/// Returns the module of a layer that `role` belongs to, "self_attn.q_proj", as the family's table
/// spells it.
std::string module_of(const ModelConfig& config, Role role);

/// A row of the table of methods.
struct Method {
  std::string name;     ///< as in `--method`
  std::string summary;  ///< one line for `mop list methods`
  bool needs_teacher;
  /// Learning rates to try when the recipe gives none; the first is used when no trial is possible.
  /// Empty = those of the method that trains the same parameters.
  std::vector<double> rates;
  std::string source = {};               ///< paper and equation
  std::vector<OptionSpec> options = {};  ///< the section of the recipe that has its name
  std::vector<int> deviations = {};      ///< from the paper, by number: docs/method.md
};
/// In documentation order: lora, full, distil.
std::span<const Method> all_methods();
const Method& find_method(std::string_view name);

/// Returns a pair of factors for every target of every layer that has it: A is uniform in
/// +-1/sqrt(inputs) (kaiming with a = sqrt 5, as PEFT), drawn with `seed`; B is zero. Throws
/// Error(kUsage) for a rank below 1 or an unknown target.
std::vector<ParameterSpec> lora_parameters(const Model& model, const LoraOptions& options,
                                           uint64_t seed);
/// Returns the number of trained numbers.
int64_t lora_numbers(const ModelConfig& config, const LoraOptions& options);
/// Returns every tensor of the model. A tied embedding is one tensor, which is the head too.
std::vector<ParameterSpec> all_weights(const Model& model);

/// Returns the model with the trained values: low-rank additions are added to their weights,
/// trained tensors replace the stored ones. Each tensor keeps its stored dtype and is in a file of
/// the folder `scratch` (tensor/scratch.h), since those of a large model do not fit into memory.
Model merged(const Model& model, const Parameters& parameters, const LoraOptions& lora,
             const std::filesystem::path& scratch);

}  // namespace mop
