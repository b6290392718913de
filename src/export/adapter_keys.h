// export/adapter_keys.h -- what becomes of every key of a PEFT adapter's adapter_config.json.
#pragma once
#include <string>

#include "base/key_fates.h"

namespace mop {

/// The keys of LoRA's adapter_config.json.
const FormatKeys& adapter_keys();

/// Throws Error(kBadInput) naming the first setting that asks for something that merging a plain
/// LoRA does not do. `where` names the file.
void check_adapter_keys(const Json& config, const std::string& where);

/// `init_lora_weights` in small letters, "default" for true and false. Throws Error(kBadInput) for
/// an initialisation whose changes of the base weights cannot be computed again.
std::string adapter_init(const Json& config, const std::string& where);
/// Whether PEFT takes the initial product out of the base weight with this initialisation.
bool changes_base(const std::string& init);

/// A line about keys that nobody knows; empty when there are none.
std::string unknown_adapter_keys(const Json& config);

}  // namespace mop
