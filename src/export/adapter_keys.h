// export/adapter_keys.h -- how each key of a PEFT adapter's adapter_config.json is handled.
#pragma once
#include <string>

#include "base/key_fates.h"

namespace mop {

/// The keys of LoRA's adapter_config.json.
const FormatKeys& adapter_keys();

/// Throws Error(kBadInput) naming the first setting that merging a plain LoRA does not support.
/// `where` names the file.
void check_adapter_keys(const Json& config, const std::string& where);

/// Returns `init_lora_weights` in lower case, "default" for true and false. Throws Error(kBadInput)
/// for an initialisation that changes the base weights in a way that cannot be recomputed.
std::string adapter_init(const Json& config, const std::string& where);
/// Whether PEFT subtracts the initial product from the base weight with this initialisation.
bool changes_base(const std::string& init);

/// Returns a notice about unknown keys; empty if there are none.
std::string unknown_adapter_keys(const Json& config);

}  // namespace mop
