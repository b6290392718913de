// export/adapter_keys.cc
#include "export/adapter_keys.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <array>
#include <cctype>

#include "base/error.h"

namespace mop {
namespace {

using enum Fate;
constexpr std::string_view kTensors = "the adapter's tensors say which projections it changes";
constexpr std::string_view kTraining = "of training";

constexpr KeyFate kKeys[] = {
    {"peft_type", kRefused, "any kind but LORA"},
    {"r", kHonoured, "as the rank of the tensors"},
    {"rank_pattern", kHonoured, "as the ranks of the tensors"},
    {"lora_alpha", kHonoured, "the scale"},
    {"alpha_pattern", kHonoured, "scales by projection"},
    {"use_rslora", kHonoured, "the scale divides by the root of the rank"},
    {"init_lora_weights", kHonoured,
     "pissa and olora take their beginning out of the base weight, as in PEFT; initialisations "
     "that "
     "cannot be computed again (loftq, corda, pissa_niter_N) are refused"},
    {"base_model_name_or_path", kHonoured,
     "the model, where `mop check` is given the adapter alone"},
    {"use_dora", kRefused, "magnitudes beside the product"},
    {"fan_in_fan_out", kRefused, "weights stored the other way round"},
    {"bias", kRefused, "trained biases"},
    {"lora_bias", kRefused, "a bias of the product"},
    {"modules_to_save", kRefused, "modules that were trained as a whole"},
    {"layer_replication", kRefused, "layers that are there several times"},
    {"trainable_token_indices", kRefused, "trained rows of the embedding"},
    {"target_parameters", kRefused, "products added to parameters that are no projection"},
    {"megatron_config", kRefused, "another program's layers"},
    {"use_qalora", kRefused, "products over groups of inputs"},
    {"use_bdlora", kRefused, "products of blocks"},
    {"alora_invocation_tokens", kRefused, "an adapter that begins in the middle of a text"},
    {"arrow_config", kRefused, "a choice among adapters by token"},
    {"kasa_config", kRefused, "singular values beside the product"},
    {"monteclora_config", kRefused, "adapters drawn at random"},
    {"target_modules", kIgnored, kTensors},
    {"exclude_modules", kIgnored, kTensors},
    {"layers_to_transform", kIgnored, kTensors},
    {"layers_pattern", kIgnored, kTensors},
    {"lora_dropout", kIgnored, kTraining},
    {"inference_mode", kIgnored, kTraining},
    {"velora_config", kIgnored, kTraining},
    {"runtime_config", kIgnored, kTraining},
    {"eva_config", kIgnored, "how the adapter began, without a change of the base"},
    {"lora_ga_config", kIgnored, "how the adapter began; PEFT does not read it again, either"},
    {"corda_config", kIgnored, "how the adapter began: init_lora_weights decides"},
    {"loftq_config", kIgnored, "how the adapter began: init_lora_weights decides"},
    {"ensure_weight_tying", kIgnored, "of adapters of the embedding, whose tensors are refused"},
    {"qalora_group_size", kIgnored, "without effect unless use_qalora asks for it"},
    {"megatron_core", kIgnored, "without effect unless megatron_config is there"},
    {"task_type", kIgnored, "what the model is for"},
    {"auto_mapping", kIgnored, "which class Python opens"},
    {"peft_version", kIgnored, "who wrote the file"},
    {"revision", kIgnored, "of the base model on its hub"},
};

// Whether a setting asks for anything at all.
bool is_set(const Json& value) {
  if (value.is_null() || value == false || value == "none") return false;
  return !(value.is_structured() && value.empty());
}

std::string small_letters(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

const FormatKeys& adapter_keys() {
  static const FormatKeys keys{"adapter_config.json", kKeys};
  return keys;
}

void check_adapter_keys(const Json& config, const std::string& where) {
  const std::string type = get_or<std::string>(config, "peft_type", "", where);
  if (type != "LORA")
    throw bad_input("adapters of type '{}' are not read, only LORA", type).where("file", where);
  for (const auto& [key, value] : config.items()) {
    const KeyFate* fate = find_fate(adapter_keys(), key);
    if (fate == nullptr || fate->fate != kRefused || key == "peft_type" || !is_set(value)) continue;
    throw bad_input("unsupported: the adapter sets '{}' to {} ({})", key, value.dump(), fate->why)
        .where("file", where)
        .hint("merge it with peft itself (merge_and_unload) and give the merged folder");
  }
}

std::string adapter_init(const Json& config, const std::string& where) {
  const auto it = config.find("init_lora_weights");
  if (it == config.end() || !it->is_string()) return "default";
  const std::string init = small_letters(it->get<std::string>());
  constexpr std::array kKnown = {"pissa", "olora", "gaussian", "orthogonal",
                                 "eva",   "mica",  "lora_ga"};
  if (std::ranges::find(kKnown, init) != kKnown.end()) return init;
  throw bad_input(
      "unsupported: the adapter sets 'init_lora_weights' to '{}', whose changes of the "
      "base weights cannot be computed again",
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
  return fmt::format("adapter_config.json: {} {} not known, and not read", fmt::join(unknown, ", "),
                     unknown.size() == 1 ? "is" : "are");
}

}  // namespace mop
