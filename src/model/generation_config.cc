// model/generation_config.cc
#include "model/generation_config.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "model/config_values.h"

namespace mop {
namespace {
namespace fs = std::filesystem;

using enum Fate;
constexpr std::string_view kNotApplied =
    "not applied: `mop generate` is greedy or samples with --temperature; reported in a "
    "note";
constexpr std::string_view kSampling =
    "sampling, active with do_sample, then reported in a note; not applied";
constexpr std::string_view kLength = "--max-new-tokens is used";
constexpr std::string_view kAssistant = "speculative decoding; same text";
constexpr std::string_view kOutput = "return format of Python calls";
constexpr std::string_view kCache = "implementation of the cache; same text";
constexpr std::string_view kBeams = "beam search; no effect unless num_beams is above 1";
constexpr std::string_view kEncoder = "for models with an encoder";

constexpr KeyFate kKeys[] = {
    {"eos_token_id", kHonoured, "ends generation; replaces config.json's"},
    {"bos_token_id", kIgnored, "the tokenizer adds the token"},
    {"pad_token_id", kIgnored, "sequences are not padded"},
    {"decoder_start_token_id", kIgnored, kEncoder},
    {"encoder_no_repeat_ngram_size", kIgnored, kEncoder},
    {"encoder_repetition_penalty", kIgnored, kNotApplied},
    {"do_sample", kIgnored, kNotApplied},
    {"temperature", kIgnored, kSampling},
    {"top_k", kIgnored, kSampling},
    {"top_p", kIgnored, kSampling},
    {"top_h", kIgnored, kSampling},
    {"min_p", kIgnored, kSampling},
    {"typical_p", kIgnored, kSampling},
    {"epsilon_cutoff", kIgnored, kSampling},
    {"eta_cutoff", kIgnored, kSampling},
    {"repetition_penalty", kIgnored, kNotApplied},
    {"no_repeat_ngram_size", kIgnored, kNotApplied},
    {"bad_words_ids", kIgnored, kNotApplied},
    {"force_words_ids", kIgnored, kNotApplied},
    {"sequence_bias", kIgnored, kNotApplied},
    {"suppress_tokens", kIgnored, kNotApplied},
    {"begin_suppress_tokens", kIgnored, kNotApplied},
    {"forced_bos_token_id", kIgnored, kNotApplied},
    {"forced_eos_token_id", kIgnored, kNotApplied},
    {"min_length", kIgnored, kNotApplied},
    {"min_new_tokens", kIgnored, kNotApplied},
    {"exponential_decay_length_penalty", kIgnored, kNotApplied},
    {"guidance_scale", kIgnored, kNotApplied},
    {"watermarking_config", kIgnored, kNotApplied},
    {"num_beams", kIgnored, kNotApplied},
    {"penalty_alpha", kIgnored, kNotApplied},
    {"dola_layers", kIgnored, kNotApplied},
    {"stop_strings", kIgnored, kNotApplied},
    {"token_healing", kIgnored, kNotApplied},
    {"constraints", kIgnored, kNotApplied},
    {"remove_invalid_values", kIgnored, "logits that are not finite are an error"},
    {"renormalize_logits", kIgnored, "does not change the order or ratio of probabilities"},
    {"length_penalty", kIgnored, kBeams},
    {"early_stopping", kIgnored, kBeams},
    {"num_beam_groups", kIgnored, kBeams},
    {"diversity_penalty", kIgnored, kBeams},
    {"num_return_sequences", kIgnored, "one text is generated"},
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
    {"transformers_version", kIgnored, "version of the writer"},
    {"chat_format", kIgnored, "first version of Qwen; the tokenizer's template is used"},
    {"_*", kIgnored, "private to the writer"},
};

Json read_file_of(const fs::path& folder) {
  const fs::path path = folder / "generation_config.json";
  if (!fs::is_regular_file(path)) return nullptr;
  Json file = read_json(path);
  if (file.is_object()) return file;
  throw bad_input("the file is not a JSON object").where("file", path.string());
}

// 0 and 1 are neutral for penalties, counts and beams; as an id any number has an effect.
bool has_no_effect(const std::string& key, const Json& value) {
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
        fmt::format("generation_config.json has no eos_token_id: generation does not stop at "
                    "config.json's ({}), as in transformers",
                    fmt::join(config.eos, ", ")));
  }
  config.eos = eos;
  const std::vector<std::string> unknown = unknown_keys(file, generation_config_keys());
  if (unknown.empty()) return;
  config.notes.push_back(fmt::format("generation_config.json: {} {} unknown and ignored",
                                     fmt::join(unknown, ", "), unknown.size() == 1 ? "is" : "are"));
}

std::vector<std::string> unapplied_generation_settings(const fs::path& folder) {
  std::vector<std::string> settings;
  const Json file = read_file_of(folder);
  if (file.is_null()) return settings;
  const bool draws = file.value("do_sample", Json()) == true;
  for (const auto& [key, value] : file.items()) {
    const KeyFate* fate = find_fate(generation_config_keys(), key);
    if (fate == nullptr || has_no_effect(key, value)) continue;
    if (fate->why != kNotApplied && !(draws && fate->why == kSampling)) continue;
    settings.push_back(fmt::format("{} {}", key, value.dump()));
  }
  return settings;
}

std::string generation_note(const fs::path& folder) {
  const std::vector<std::string> settings = unapplied_generation_settings(folder);
  if (settings.empty()) return "";
  return fmt::format(
      "generation_config.json sets {}, which is not applied: decoding is greedy, or samples with "
      "the given temperature",
      fmt::join(settings, ", "));
}

}  // namespace mop
