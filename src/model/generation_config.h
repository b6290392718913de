// model/generation_config.h -- reads generation_config.json, which sets the tokens that end
// generation.
#pragma once
#include <filesystem>
#include <string>
#include <vector>

#include "base/key_fates.h"
#include "model/config.h"

namespace mop {

/// The keys of generation_config.json, transformers 4 and 5.
const FormatKeys& generation_config_keys();

/// Takes the end tokens from `folder`/generation_config.json. As in transformers' generate(), an
/// existing file replaces config.json's end tokens, even if it names none. Adds a note in that
/// case, and one about unknown keys. Does nothing without the file.
void read_generation_config(const std::filesystem::path& folder, ModelConfig& config);

/// Returns the settings, as "key value", that would make transformers' generate() choose other
/// tokens than greedy decoding: sampling, penalties, forced tokens, beams. Sampling parameters
/// (temperature, top_p, ..) count only if do_sample is true.
std::vector<std::string> unapplied_generation_settings(const std::filesystem::path& folder);
/// Returns a notice about them; empty if there are none.
std::string generation_note(const std::filesystem::path& folder);

}  // namespace mop
