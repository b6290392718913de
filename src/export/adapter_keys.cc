// export/adapter_keys.cc
#include "export/adapter_keys.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/lower_ascii.h"

namespace mop {
namespace {

using enum Fate;
constexpr std::string_view kTensors = "the adapter's tensors determine its projections";
constexpr std::string_view kTraining = "only for training";

constexpr KeyFate kKeys[] = {
    {"peft_type", kRefused, "any type other than LORA"},
    {"r", kHonoured, "the rank, read from the tensors"},
    {"rank_pattern", kHonoured, "ranks by projection, read from the tensors"},
    {"lora_alpha", kHonoured, "the scale"},
    {"alpha_pattern", kHonoured, "scales by projection"},
    {"use_rslora", kHonoured, "the scale is divided by the square root of the rank"},
    {"init_lora_weights", kHonoured,
     "pissa and olora subtract the initial product from the base weight, as in PEFT; "
     "initialisations "
     "that "
     "cannot be recomputed (loftq, corda, pissa_niter_N) are refused"},
    {"base_model_name_or_path", kHonoured,
     "the base model, if `mop check` is given only the adapter"},
    {"use_dora", kRefused, "DoRA's magnitudes"},
    {"fan_in_fan_out", kRefused, "weights stored transposed"},
    {"bias", kRefused, "trained biases"},
    {"lora_bias", kRefused, "a bias of the low-rank product"},
    {"modules_to_save", kRefused, "fully trained modules"},
    {"layer_replication", kRefused, "replicated layers"},
    {"trainable_token_indices", kRefused, "trained rows of the embedding"},
    {"target_parameters", kRefused, "additions to parameters that are not projections"},
    {"megatron_config", kRefused, "layers of Megatron"},
    {"use_qalora", kRefused, "QA-LoRA's grouped inputs"},
    {"use_bdlora", kRefused, "block-diagonal products"},
    {"alora_invocation_tokens", kRefused, "an adapter that applies after given tokens"},
    {"arrow_config", kRefused, "selection of adapters by token"},
    {"kasa_config", kRefused, "KaSA's singular values"},
    {"monteclora_config", kRefused, "random adapters"},
    {"target_modules", kIgnored, kTensors},
    {"exclude_modules", kIgnored, kTensors},
    {"layers_to_transform", kIgnored, kTensors},
    {"layers_pattern", kIgnored, kTensors},
    {"lora_dropout", kIgnored, kTraining},
    {"inference_mode", kIgnored, kTraining},
    {"velora_config", kIgnored, kTraining},
    {"runtime_config", kIgnored, kTraining},
    {"eva_config", kIgnored, "initialisation that does not change the base weights"},
    {"lora_ga_config", kIgnored, "initialisation; not read by PEFT when loading"},
    {"corda_config", kIgnored, "initialisation; init_lora_weights is used"},
    {"loftq_config", kIgnored, "initialisation; init_lora_weights is used"},
    {"ensure_weight_tying", kIgnored, "for adapters of the embedding, whose tensors are refused"},
    {"qalora_group_size", kIgnored, "no effect without use_qalora"},
    {"megatron_core", kIgnored, "no effect without megatron_config"},
    {"task_type", kIgnored, "task of the model"},
    {"auto_mapping", kIgnored, "class to load in Python"},
    {"peft_version", kIgnored, "version of the writer"},
    {"revision", kIgnored, "revision of the base model on its hub"},
};

// Whether a setting has any effect.
bool is_set(const Json& value) {
  if (value.is_null() || value == false || value == "none") return false;
  return !(value.is_structured() && value.empty());
}

}  // namespace

const FormatKeys& adapter_keys() {
  static const FormatKeys keys{"adapter_config.json", kKeys};
  return keys;
}

void check_adapter_keys(const Json& config, const std::string& where) {
  const std::string type = get_or<std::string>(config, "peft_type", "", where);
  if (type != "LORA")
    throw bad_input("unsupported adapter type '{}', expected LORA", type).where("file", where);
  for (const auto& [key, value] : config.items()) {
    const KeyFate* fate = find_fate(adapter_keys(), key);
    if (fate == nullptr || fate->fate != kRefused || key == "peft_type" || !is_set(value)) continue;
    throw bad_input("unsupported: the adapter sets '{}' to {} ({})", key, value.dump(), fate->why)
        .where("file", where)
        .hint("merge it with peft (merge_and_unload) and give the merged folder");
  }
}

std::string adapter_init(const Json& config, const std::string& where) {
  const auto it = config.find("init_lora_weights");
  if (it == config.end() || !it->is_string()) return "default";
  const std::string init = lower_ascii(it->get<std::string>());
  constexpr std::array kKnown = {"pissa", "olora", "gaussian", "orthogonal",
                                 "eva",   "mica",  "lora_ga"};
  if (std::ranges::find(kKnown, init) != kKnown.end()) return init;
  throw bad_input(
      "unsupported: the adapter sets 'init_lora_weights' to '{}', whose changes to the "
      "base weights cannot be recomputed",
      it->get<std::string>())
      .where("file", where)
      .hint(
          "save it as a plain LoRA: peft's save_pretrained with "
          "path_initial_model_for_weight_conversion");
}

bool changes_base(const std::string& init) { return init == "pissa" || init == "olora"; }

std::string unknown_adapter_keys(const Json& config) {
  const std::vector<std::string> unknown = unknown_keys(config, adapter_keys());
  if (unknown.empty()) return "";
  return fmt::format("adapter_config.json: {} {} unknown and ignored", fmt::join(unknown, ", "),
                     unknown.size() == 1 ? "is" : "are");
}

}  // namespace mop
