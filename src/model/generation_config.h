// model/generation_config.h -- generation_config.json: where generation ends.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/key_fates.h"
#include "model/config.h"

namespace mop {

/// The keys of generation_config.json, transformers 4 and 5.
const FormatKeys& generation_config_keys();

/// Takes the end tokens from `folder`/generation_config.json: where that file is there, it decides
/// alone, as in transformers' generate(), and config.json's are not asked. Adds a note when it
/// names none although config.json does, and one about keys that nobody knows. Nothing without the
/// file.
void read_generation_config(const std::filesystem::path& folder, ModelConfig& config);

/// The settings of the file that would make transformers' generate() choose other tokens than the
/// likeliest, or other likeliest ones, as "key value"; sampling, penalties, forced tokens, beams.
/// Settings of sampling (temperature, top_p, ..) are among them only where do_sample is true.
std::vector<std::string> unapplied_generation_settings(const std::filesystem::path& folder);
/// A line about them; empty when there are none.
std::string generation_note(const std::filesystem::path& folder);

}  // namespace mop
