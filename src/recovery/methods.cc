// recovery/methods.cc
#include "recovery/methods.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <array>
#include <cmath>

#include "base/error.h"
#include "base/named_table.h"
#include "base/random.h"
#include "gradient/output_loss.h"
#include "tensor/scratch.h"

namespace mop {

const Option<int64_t> kLoraRank = {.name = "rank",
                                   .default_value = LoraOptions().rank,
                                   .range = between(1, 65536),
                                   .help = "rank of the additions"};
const Option<double> kLoraAlpha = {.name = "alpha",
                                   .default_value = LoraOptions().alpha,
                                   .range = above(0),
                                   .help = "additions are scaled by alpha / rank"};
const Option<double> kLoraDropout = {.name = "dropout",
                                     .default_value = LoraOptions().dropout,
                                     .range = {.least = 0, .most = 1, .below_most = true},
                                     .help = "dropout of the additions' inputs"};
const Option<std::vector<std::string>> kLoraTargets = {.name = "targets",
                                                       .unset = "all seven",
                                                       .range = {.names = projection_names},
                                                       .help = "projections that get an addition"};
const Option<double> kDistilTemperature = {.name = "temperature",
                                           .default_value = LossMix().temperature,
                                           .range = above(0),
                                           .help = "temperature of both distributions"};
const Option<double> kDistilCrossEntropy = {.name = "cross_entropy",
                                            .default_value = LossMix().cross_entropy,
                                            .range = between(0, 1),
                                            .help = "share of the cross-entropy loss on the text"};
const Option<double> kDistilHidden = {
    .name = "hidden",
    .default_value = 0,
    .range = at_least(0),
    .help = "weight of the squared distance to the teacher's hidden states after the same layers"};
const Option<std::string> kDistilTrains = {
    .name = "trains",
    .default_value = "lora",
    .range = one_of({"lora", "full"}),
    .help = "parameters to train: low-rank additions, or every weight"};

namespace {

constexpr std::array kProjections = {Role::kQuery, Role::kKey, Role::kValue, Role::kOutput,
                                     Role::kGate,  Role::kUp,  Role::kDown};
constexpr std::array kProjectionNames = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                                         "gate_proj", "up_proj", "down_proj"};

std::vector<Role> target_roles(const LoraOptions& options) {
  if (options.targets.empty()) return {kProjections.begin(), kProjections.end()};
  std::vector<Role> roles;
  for (const std::string& name : options.targets) roles.push_back(projection_role(name));
  return roles;
}

// Uniform in +-bound, the same on every machine.
at::Tensor uniform(int64_t rows, int64_t columns, double bound, Random& random) {
  const at::Tensor values = at::empty({rows, columns}, at::kFloat);
  float* out = values.data_ptr<float>();
  for (int64_t i = 0; i < values.numel(); ++i) {
    out[i] = static_cast<float>((2 * random.uniform() - 1) * bound);
  }
  return values;
}

// A projection of a layer that gets an addition.
struct Target {
  int64_t layer;
  const LayerTensor& tensor;
  int64_t outputs, inputs;
};

std::vector<Target> targets_of(const ModelConfig& config, const LoraOptions& options) {
  std::vector<Target> targets;
  for (size_t layer = 0; layer < config.layers.size(); ++layer) {
    const LayerShape& shape = config.layers[layer];
    for (const Role role : target_roles(options)) {
      const LayerTensor* tensor = tensor_of_role(config, shape, role);
      if (tensor == nullptr) continue;
      targets.push_back({static_cast<int64_t>(layer), *tensor,
                         axis_length(tensor->axes[0], config, shape),
                         axis_length(tensor->axes[1], config, shape)});
    }
  }
  return targets;
}

void add_pair(const ModelConfig& config, const Target& target, int64_t rank, uint64_t seed,
              std::vector<ParameterSpec>& specs) {
  const Role role = target.tensor.role;
  Random random(seed,
                static_cast<uint64_t>(target.layer) * kNumRoles + static_cast<uint64_t>(role));
  std::string name = tensor_name(*config.family, target.layer, target.tensor);
  name.resize(name.rfind('.'));  // "weight" is a tensor of the projection
  ParameterSpec a{name + ".lora_A.weight", target.layer, role};
  a.part = Part::kLowRankA;
  a.initial =
      uniform(rank, target.inputs, 1 / std::sqrt(static_cast<double>(target.inputs)), random);
  ParameterSpec b{name + ".lora_B.weight", target.layer, role};
  b.part = Part::kLowRankB;
  b.initial = at::zeros({target.outputs, rank}, at::kFloat);
  specs.push_back(std::move(a));
  specs.push_back(std::move(b));
}

// Norms and biases are vectors, to which weight decay does not apply, as in transformers' Trainer.
bool decays(const std::vector<Axis>& axes) { return axes.size() > 1; }

}  // namespace

std::vector<std::string> projection_names() {
  return {kProjectionNames.begin(), kProjectionNames.end()};
}

Role projection_role(const std::string& name) {
  for (size_t i = 0; i < kProjections.size(); ++i) {
    if (name == kProjectionNames[i]) return kProjections[i];
  }
  throw usage_error("unknown target '{}'", name)
      .hint(fmt::format("known: {}", fmt::join(kProjectionNames, ", ")));
}

std::string module_of(const ModelConfig& config, Role role) {
  for (const LayerTensor& tensor : config.family->layer_tensors) {
    if (tensor.role == role) return std::string(tensor.suffix.substr(0, tensor.suffix.rfind('.')));
  }
  throw internal_error("the family {} has no such tensor", config.family->name);
}

std::span<const Method> all_methods() {
  static const std::vector<Method> table = {
      {.name = "lora",
       .summary =
           "low-rank additions to the projections, merged afterwards; frozen weights stay mapped",
       .needs_teacher = false,
       .rates = {3e-4, 1e-3, 3e-3},
       .source = "LoRA, arXiv 2106.09685",
       .options = {kLoraRank, kLoraAlpha, kLoraDropout, kLoraTargets},
       .deviations = {13, 14}},
      {.name = "full",
       .summary = "every weight",
       .needs_teacher = false,
       .rates = {1e-4, 3e-4, 1e-3},
       .source = "AdamW, arXiv 1711.05101"},
      {.name = "distil",
       .summary = "towards the dense model's distributions (--teacher): forward KL on its logits",
       .needs_teacher = true,
       .rates = {},
       .source = "distillation, arXiv 1503.02531",
       .options = {kDistilTemperature, kDistilCrossEntropy, kDistilHidden, kDistilTrains}}};
  return table;
}

const Method& find_method(std::string_view name) {
  return find_by_name(all_methods(), name, "method");
}

std::vector<ParameterSpec> lora_parameters(const Model& model, const LoraOptions& options,
                                           uint64_t seed) {
  if (options.rank < 1) throw usage_error("lora.rank must be at least 1, got {}", options.rank);
  if (options.dropout < 0 || options.dropout >= 1) {
    throw usage_error("lora.dropout must be in [0, 1), got {}", options.dropout);
  }
  std::vector<ParameterSpec> specs;
  for (const Target& target : targets_of(model.config(), options)) {
    add_pair(model.config(), target, options.rank, seed, specs);
  }
  return specs;
}

int64_t lora_numbers(const ModelConfig& config, const LoraOptions& options) {
  int64_t numbers = 0;
  for (const Target& target : targets_of(config, options)) {
    numbers += options.rank * (target.outputs + target.inputs);
  }
  return numbers;
}

std::vector<ParameterSpec> all_weights(const Model& model) {
  const ModelConfig& config = model.config();
  std::vector<ParameterSpec> specs;
  for (const GlobalTensor* tensor : global_tensors(config)) {
    ParameterSpec spec{std::string(tensor->name)};
    spec.global = tensor->role;
    spec.initial = stored_global(model, *tensor);
    spec.decays = decays(tensor->axes);
    specs.push_back(std::move(spec));
  }
  for (int64_t layer = 0; layer < model.num_layers(); ++layer) {
    for (const LayerTensor* tensor :
         tensors_of_layer(config, config.layers[static_cast<size_t>(layer)])) {
      ParameterSpec spec{tensor_name(*config.family, layer, *tensor), layer, tensor->role};
      spec.initial = stored_tensor(model, layer, *tensor);
      spec.decays = decays(tensor->axes);
      specs.push_back(std::move(spec));
    }
  }
  return specs;
}

namespace {

at::Tensor merged_projection(const Model& model, const Parameters& parameters, size_t a, size_t b,
                             double scale) {
  const ParameterSpec& spec = parameters.spec(a);
  const ModelConfig& config = model.config();
  const LayerTensor* tensor =
      tensor_of_role(config, config.layers[static_cast<size_t>(spec.layer)], spec.role);
  const at::Tensor stored = stored_tensor(model, spec.layer, *tensor);
  const at::Tensor addition_OK =
      at::mm(parameters.value(b).cpu(), parameters.value(a).cpu()).mul_(scale);
  return addition_OK.add_(stored).to(stored.scalar_type());
}

}  // namespace

Model merged(const Model& model, const Parameters& parameters, const LoraOptions& lora,
             const std::filesystem::path& scratch) {
  std::vector<Layer> layers = model.layers();
  std::map<std::pair<int64_t, Role>, size_t> first_factors;
  std::vector<std::pair<GlobalRole, at::Tensor>> globals;
  const auto stored_dtype = [&](const ParameterSpec& spec) {
    return model.checkpoint().entry(spec.name).dtype;
  };
  for (size_t i = 0; i < parameters.count(); ++i) {
    const ParameterSpec& spec = parameters.spec(i);
    if (spec.part == Part::kLowRankA) first_factors[{spec.layer, spec.role}] = i;
    if (spec.part != Part::kWeight) continue;
    if (spec.layer < 0) {
      globals.emplace_back(spec.global,
                           in_scratch(parameters.value(i).cpu().to(stored_dtype(spec)), scratch));
      continue;
    }
    const ModelConfig& config = model.config();
    const auto layer = static_cast<size_t>(spec.layer);
    const LayerTensor* tensor = tensor_of_role(config, config.layers[layer], spec.role);
    const DType dtype = stored_tensor(model, spec.layer, *tensor).scalar_type();
    layers[layer].changed[spec.role] = in_scratch(parameters.value(i).cpu().to(dtype), scratch);
  }
  for (size_t i = 0; i < parameters.count(); ++i) {
    const ParameterSpec& spec = parameters.spec(i);
    if (spec.part != Part::kLowRankB) continue;
    const size_t a = first_factors.at({spec.layer, spec.role});
    layers[static_cast<size_t>(spec.layer)].changed[spec.role] =
        in_scratch(merged_projection(model, parameters, a, i, lora.scale()), scratch);
  }
  Model result = model.with_layers(std::move(layers));
  for (auto& [role, value] : globals) result = result.with_global(role, std::move(value));
  return result;
}

}  // namespace mop
