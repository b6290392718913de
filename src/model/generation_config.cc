// model/generation_config.cc
#include "model/generation_config.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "model/config_values.h"

namespace mop {
namespace {
namespace fs = std::filesystem;

using enum Fate;
constexpr std::string_view kTold =
    "not applied: `mop generate` takes the likeliest token or draws by --temperature; a note says "
    "so";
constexpr std::string_view kDrawing =
    "of drawing, in force with do_sample: told with it; --temperature decides, over all tokens";
constexpr std::string_view kLength = "--max-new-tokens says how much is made";
constexpr std::string_view kAssistant = "speed with a second model; the same text";
constexpr std::string_view kOutput = "what a call in Python returns";
constexpr std::string_view kCache = "how Python keeps the cache; the same text";
constexpr std::string_view kBeams = "of beam search: without effect unless num_beams asks for it";
constexpr std::string_view kEncoder = "of models with an encoder";

constexpr KeyFate kKeys[] = {
    {"eos_token_id", kHonoured, "ends generation, instead of config.json's"},
    {"bos_token_id", kIgnored, "the tokenizer adds it"},
    {"pad_token_id", kIgnored, "there is no padding"},
    {"decoder_start_token_id", kIgnored, kEncoder},
    {"encoder_no_repeat_ngram_size", kIgnored, kEncoder},
    {"encoder_repetition_penalty", kIgnored, kTold},
    {"do_sample", kIgnored, kTold},
    {"temperature", kIgnored, kDrawing},
    {"top_k", kIgnored, kDrawing},
    {"top_p", kIgnored, kDrawing},
    {"top_h", kIgnored, kDrawing},
    {"min_p", kIgnored, kDrawing},
    {"typical_p", kIgnored, kDrawing},
    {"epsilon_cutoff", kIgnored, kDrawing},
    {"eta_cutoff", kIgnored, kDrawing},
    {"repetition_penalty", kIgnored, kTold},
    {"no_repeat_ngram_size", kIgnored, kTold},
    {"bad_words_ids", kIgnored, kTold},
    {"force_words_ids", kIgnored, kTold},
    {"sequence_bias", kIgnored, kTold},
    {"suppress_tokens", kIgnored, kTold},
    {"begin_suppress_tokens", kIgnored, kTold},
    {"forced_bos_token_id", kIgnored, kTold},
    {"forced_eos_token_id", kIgnored, kTold},
    {"min_length", kIgnored, kTold},
    {"min_new_tokens", kIgnored, kTold},
    {"exponential_decay_length_penalty", kIgnored, kTold},
    {"guidance_scale", kIgnored, kTold},
    {"watermarking_config", kIgnored, kTold},
    {"num_beams", kIgnored, kTold},
    {"penalty_alpha", kIgnored, kTold},
    {"dola_layers", kIgnored, kTold},
    {"stop_strings", kIgnored, kTold},
    {"token_healing", kIgnored, kTold},
    {"constraints", kIgnored, kTold},
    {"remove_invalid_values", kIgnored, "logits that are no numbers are an error elsewhere"},
    {"renormalize_logits", kIgnored, "the order of tokens and their shares stay"},
    {"length_penalty", kIgnored, kBeams},
    {"early_stopping", kIgnored, kBeams},
    {"num_beam_groups", kIgnored, kBeams},
    {"diversity_penalty", kIgnored, kBeams},
    {"num_return_sequences", kIgnored, "one text is made"},
    {"low_memory", kIgnored, kBeams},
    {"max_length", kIgnored, kLength},
    {"max_new_tokens", kIgnored, kLength},
    {"max_time", kIgnored, kLength},
    {"use_cache", kIgnored, kCache},
    {"cache_*", kIgnored, kCache},
    {"max_cache_len", kIgnored, kCache},
    {"return_legacy_cache", kIgnored, kCache},
    {"prefill_chunk_size", kIgnored, kCache},
    {"compile_config", kIgnored, kCache},
    {"disable_compile", kIgnored, kCache},
    {"continuous_batching_config", kIgnored, kCache},
    {"is_assistant", kIgnored, kAssistant},
    {"assistant_*", kIgnored, kAssistant},
    {"num_assistant_tokens*", kIgnored, kAssistant},
    {"target_lookbehind", kIgnored, kAssistant},
    {"prompt_lookup_num_tokens", kIgnored, kAssistant},
    {"max_matching_ngram_size", kIgnored, kAssistant},
    {"speculation_type", kIgnored, kAssistant},
    {"use_mtp", kIgnored, kAssistant},
    {"output_*", kIgnored, kOutput},
    {"return_dict_in_generate", kIgnored, kOutput},
    {"transformers_version", kIgnored, "who wrote the file"},
    {"chat_format", kIgnored, "Qwen's first version: the template of the tokenizer decides"},
    {"_*", kIgnored, "private to who wrote the file"},
};

Json read_file_of(const fs::path& folder) {
  const fs::path path = folder / "generation_config.json";
  if (!fs::is_regular_file(path)) return nullptr;
  Json file = read_json(path);
  if (file.is_object()) return file;
  throw bad_input("it is not a JSON object").where("file", path.string());
}

// Penalties of 0 and 1, counts of 0 and one beam ask for nothing; as an id any number does.
bool asks_for_nothing(const std::string& key, const Json& value) {
  if (value.is_null() || value == false) return true;
  if (value.is_structured()) return value.empty();
  return (value == 0 || value == 1) && !key.ends_with("_token_id");
}

}  // namespace

const FormatKeys& generation_config_keys() {
  static const FormatKeys keys{"generation_config.json", kKeys};
  return keys;
}

void read_generation_config(const fs::path& folder, ModelConfig& config) {
  const Json file = read_file_of(folder);
  if (file.is_null()) return;
  const std::vector<int64_t> eos =
      whole_numbers(file, "eos_token_id", (folder / "generation_config.json").string());
  if (eos.empty() && !config.eos.empty()) {
    config.notes.push_back(
        fmt::format("generation_config.json names no eos_token_id: generation does not end at "
                    "config.json's ({}), as in transformers",
                    fmt::join(config.eos, ", ")));
  }
  config.eos = eos;
  const std::vector<std::string> unknown = unknown_keys(file, generation_config_keys());
  if (unknown.empty()) return;
  config.notes.push_back(fmt::format("generation_config.json: {} {} not known, and not read",
                                     fmt::join(unknown, ", "), unknown.size() == 1 ? "is" : "are"));
}

std::vector<std::string> unapplied_generation_settings(const fs::path& folder) {
  std::vector<std::string> settings;
  const Json file = read_file_of(folder);
  if (file.is_null()) return settings;
  const bool draws = file.value("do_sample", Json()) == true;
  for (const auto& [key, value] : file.items()) {
    const KeyFate* fate = find_fate(generation_config_keys(), key);
    if (fate == nullptr || asks_for_nothing(key, value)) continue;
    if (fate->why != kTold && !(draws && fate->why == kDrawing)) continue;
    settings.push_back(fmt::format("{} {}", key, value.dump()));
  }
  return settings;
}

std::string generation_note(const fs::path& folder) {
  const std::vector<std::string> settings = unapplied_generation_settings(folder);
  if (settings.empty()) return "";
  return fmt::format(
      "generation_config.json asks for {}, which is not applied: the likeliest token is taken, or "
      "one drawn by the temperature that is given",
      fmt::join(settings, ", "));
}

}  // namespace mop
