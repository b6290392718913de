// text/tokenizer_keys.cc
#include "text/tokenizer_keys.h"

#include <algorithm>

namespace mop {
namespace {

constexpr Fate kHonoured = Fate::kHonoured, kRefused = Fate::kRefused, kIgnored = Fate::kIgnored;

constexpr std::string_view kAdded = "tokens found before the text is cut";
constexpr std::string_view kModel = "the model of words";
constexpr std::string_view kNormalizer = "what a text becomes before it is cut";
constexpr std::string_view kPreTokenizer = "how a text is cut into words";
constexpr std::string_view kDecoder = "how tokens become a text";
constexpr std::string_view kAround = "the special tokens around a text";

// Keys that are read are listed one by one, so that a new key is reported until it gets a row.
constexpr KeyFate kTokenizerJson[] = {
    {"version", kIgnored, "there is one version, 1.0"},
    {"truncation*", kIgnored, "texts are cut by --max-tokens and the model's context alone"},
    {"padding*", kIgnored, "sequences are never padded"},
    {"added_tokens", kHonoured, kAdded},
    {"added_tokens.content", kHonoured, kAdded},
    {"added_tokens.id", kHonoured, kAdded},
    {"added_tokens.lstrip", kHonoured, kAdded},
    {"added_tokens.normalized", kHonoured, kAdded},
    {"added_tokens.rstrip", kHonoured, kAdded},
    {"added_tokens.single_word", kHonoured, kAdded},
    {"added_tokens.special", kHonoured, kAdded},
    {"model", kHonoured, kModel},
    {"model.BPE", kHonoured, kModel},
    {"model.BPE.byte_fallback", kHonoured, kModel},
    {"model.BPE.continuing_subword_prefix", kRefused, "when not empty"},
    {"model.BPE.dropout", kRefused, "when above 0: the ids would be random"},
    {"model.BPE.end_of_word_suffix", kRefused, "when not empty"},
    {"model.BPE.fuse_unk", kHonoured, kModel},
    {"model.BPE.ignore_merges", kHonoured, kModel},
    {"model.BPE.merges", kHonoured, kModel},
    {"model.BPE.unk_token", kHonoured, kModel},
    {"model.BPE.vocab", kHonoured, kModel},
    {"model.Unigram", kHonoured, kModel},
    {"model.Unigram.byte_fallback", kHonoured, kModel},
    {"model.Unigram.unk_id", kHonoured, kModel},
    {"model.Unigram.vocab", kHonoured, kModel},
    {"model.WordLevel*", kRefused, "a model of whole words"},
    {"model.WordPiece*", kRefused, "a model of encoders"},
    {"normalizer", kHonoured, kNormalizer},
    {"normalizer.BertNormalizer*", kRefused, "a normalizer of encoders"},
    {"normalizer.ByteLevel", kHonoured, kNormalizer},
    {"normalizer.Lowercase", kHonoured, kNormalizer},
    {"normalizer.NFC", kHonoured, kNormalizer},
    {"normalizer.NFD", kHonoured, kNormalizer},
    {"normalizer.NFKC", kHonoured, kNormalizer},
    {"normalizer.NFKD", kHonoured, kNormalizer},
    {"normalizer.Nmt", kHonoured, kNormalizer},
    {"normalizer.Precompiled", kHonoured, kNormalizer},
    {"normalizer.Precompiled.precompiled_charsmap", kHonoured, kNormalizer},
    {"normalizer.Prepend", kHonoured, kNormalizer},
    {"normalizer.Prepend.prepend", kHonoured, kNormalizer},
    {"normalizer.Replace", kHonoured, kNormalizer},
    {"normalizer.Replace.content", kHonoured, kNormalizer},
    {"normalizer.Replace.pattern", kHonoured, kNormalizer},
    {"normalizer.Sequence", kHonoured, kNormalizer},
    {"normalizer.Sequence.normalizers", kHonoured, kNormalizer},
    {"normalizer.Strip", kHonoured, kNormalizer},
    {"normalizer.Strip.strip_left", kHonoured, kNormalizer},
    {"normalizer.Strip.strip_right", kHonoured, kNormalizer},
    {"normalizer.StripAccents", kHonoured, kNormalizer},
    {"pre_tokenizer", kHonoured, kPreTokenizer},
    {"pre_tokenizer.BertPreTokenizer", kRefused, "a pre-tokenizer of encoders"},
    {"pre_tokenizer.ByteLevel", kHonoured, kPreTokenizer},
    {"pre_tokenizer.ByteLevel.add_prefix_space", kHonoured, kPreTokenizer},
    {"pre_tokenizer.ByteLevel.trim_offsets", kIgnored, "offsets are not used"},
    {"pre_tokenizer.ByteLevel.use_regex", kHonoured, kPreTokenizer},
    {"pre_tokenizer.CharDelimiterSplit*", kRefused, "not supported"},
    {"pre_tokenizer.Digits", kHonoured, kPreTokenizer},
    {"pre_tokenizer.Digits.individual_digits", kHonoured, kPreTokenizer},
    {"pre_tokenizer.FixedLength*", kRefused, "not supported"},
    {"pre_tokenizer.Metaspace.add_prefix_space", kHonoured, "of older files: prepend_scheme"},
    {"pre_tokenizer.Metaspace.str_rep", kIgnored, "of older files: `replacement` says the same"},
    {"pre_tokenizer.Metaspace", kHonoured, kPreTokenizer},
    {"pre_tokenizer.Metaspace.prepend_scheme", kHonoured, kPreTokenizer},
    {"pre_tokenizer.Metaspace.replacement", kHonoured, kPreTokenizer},
    {"pre_tokenizer.Metaspace.split", kHonoured, kPreTokenizer},
    {"pre_tokenizer.Punctuation", kHonoured, kPreTokenizer},
    {"pre_tokenizer.Punctuation.behavior", kHonoured, kPreTokenizer},
    {"pre_tokenizer.Sequence", kHonoured, kPreTokenizer},
    {"pre_tokenizer.Sequence.pretokenizers", kHonoured, kPreTokenizer},
    {"pre_tokenizer.Split", kHonoured, kPreTokenizer},
    {"pre_tokenizer.Split.behavior", kHonoured, kPreTokenizer},
    {"pre_tokenizer.Split.invert", kHonoured, kPreTokenizer},
    {"pre_tokenizer.Split.pattern", kHonoured, kPreTokenizer},
    {"pre_tokenizer.UnicodeScripts", kRefused, "not supported"},
    {"pre_tokenizer.Whitespace", kHonoured, kPreTokenizer},
    {"pre_tokenizer.WhitespaceSplit", kHonoured, kPreTokenizer},
    {"post_processor", kHonoured, kAround},
    {"post_processor.BertProcessing", kHonoured, kAround},
    {"post_processor.BertProcessing.cls", kHonoured, kAround},
    {"post_processor.BertProcessing.sep", kHonoured, kAround},
    {"post_processor.ByteLevel", kHonoured, kAround},
    {"post_processor.ByteLevel.*", kIgnored, "offsets are not used"},
    {"post_processor.RobertaProcessing", kHonoured, kAround},
    {"post_processor.RobertaProcessing.add_prefix_space", kIgnored, "offsets are not used"},
    {"post_processor.RobertaProcessing.cls", kHonoured, kAround},
    {"post_processor.RobertaProcessing.sep", kHonoured, kAround},
    {"post_processor.RobertaProcessing.trim_offsets", kIgnored, "offsets are not used"},
    {"post_processor.Sequence", kHonoured, kAround},
    {"post_processor.Sequence.processors", kHonoured, kAround},
    {"post_processor.TemplateProcessing", kHonoured, kAround},
    {"post_processor.TemplateProcessing.pair", kIgnored, "two texts are never one sequence"},
    {"post_processor.TemplateProcessing.single", kHonoured, kAround},
    {"post_processor.TemplateProcessing.special_tokens", kHonoured, kAround},
    {"decoder", kHonoured, kDecoder},
    {"decoder.BPEDecoder*", kRefused, "not supported"},
    {"decoder.ByteFallback", kHonoured, kDecoder},
    {"decoder.ByteLevel", kHonoured, kDecoder},
    {"decoder.ByteLevel.*", kIgnored, "they concern encoding"},
    {"decoder.CTC*", kRefused, "a decoder of speech models"},
    {"decoder.Fuse", kHonoured, kDecoder},
    {"decoder.Metaspace.add_prefix_space", kHonoured, "of older files: prepend_scheme"},
    {"decoder.Metaspace.str_rep", kIgnored, "of older files: `replacement` says the same"},
    {"decoder.Metaspace", kHonoured, kDecoder},
    {"decoder.Metaspace.prepend_scheme", kHonoured, kDecoder},
    {"decoder.Metaspace.replacement", kHonoured, kDecoder},
    {"decoder.Metaspace.split", kIgnored, "it concerns encoding"},
    {"decoder.Replace", kHonoured, kDecoder},
    {"decoder.Replace.content", kHonoured, kDecoder},
    {"decoder.Replace.pattern", kHonoured, kDecoder},
    {"decoder.Sequence", kHonoured, kDecoder},
    {"decoder.Sequence.decoders", kHonoured, kDecoder},
    {"decoder.Strip", kHonoured, kDecoder},
    {"decoder.Strip.content", kHonoured, kDecoder},
    {"decoder.Strip.start", kHonoured, kDecoder},
    {"decoder.Strip.stop", kHonoured, kDecoder},
    {"decoder.WordPiece*", kRefused, "a decoder of encoders"},
};

constexpr std::string_view kArgument = "an argument of a call, not a property of the tokenizer";
constexpr std::string_view kFiles = "the files in the folder are read";
constexpr std::string_view kOtherClass = "of tokenizer classes of other kinds of models";

constexpr KeyFate kTokenizerConfig[] = {
    {"add_bos_token", kHonoured,
     "of tokenizer.model: BOS in front of texts; a tokenizer.json says it itself"},
    {"add_eos_token", kHonoured,
     "of tokenizer.model: EOS behind texts; a tokenizer.json says it itself"},
    {"add_prefix_space", kHonoured,
     "of tokenizer.model: the blank in front of a text; a tokenizer.json says it itself"},
    {"legacy", kHonoured, "of tokenizer.model: where blanks are put behind special tokens"},
    {"added_tokens_decoder", kHonoured, "added tokens with their ids and flags"},
    {"bos_token", kHonoured, "the token in front of texts"},
    {"eos_token", kHonoured, "the token that ends texts"},
    {"unk_token", kHonoured, "a special token"},
    {"pad_token", kHonoured, "a special token"},
    {"cls_token", kHonoured, "a special token"},
    {"sep_token", kHonoured, "a special token"},
    {"mask_token", kHonoured, "a special token"},
    {"additional_special_tokens", kHonoured, "special tokens"},
    {"extra_special_tokens", kHonoured, "special tokens"},
    {"model_specific_special_tokens", kHonoured, "special tokens"},
    {"chat_template", kHonoured, "how messages become a text"},

    {"split_special_tokens", kRefused,
     "when true: special tokens in a text would be cut like other text"},
    {"fix_mistral_regex", kRefused, "when true: the pre-tokenizer would be replaced"},
    {"sp_model_kwargs", kRefused, "when it enables sampling: the ids would be random"},

    {"clean_up_tokenization_spaces*", kIgnored, "decoded texts are what the tokens spell"},
    {"spaces_between_special_tokens", kIgnored, "decoded texts are what the tokens spell"},
    {"errors", kIgnored, "bytes that are no text are shown as U+FFFD"},
    {"model_max_length", kIgnored, "config.json says how long a context is"},
    {"max_len", kIgnored, "config.json says how long a context is"},
    {"tokenizer_class", kIgnored, "the files say by themselves how they are read"},
    {"slow_tokenizer_class", kIgnored, "the files say by themselves how they are read"},
    {"__slow_tokenizer", kIgnored, "the files say by themselves how they are read"},
    {"backend", kIgnored, "the files say by themselves how they are read"},
    {"processor_class", kIgnored, "of images and sound"},
    {"auto_map", kIgnored, "code in the checkpoint is never run"},
    {"padding*", kIgnored, "sequences are never padded"},
    {"pad_to_multiple_of", kIgnored, "sequences are never padded"},
    {"pad_token_type_id", kIgnored, "sequences are never padded"},
    {"tokenizer_padding", kIgnored, "sequences are never padded"},
    {"_json_padding", kIgnored, "sequences are never padded"},
    {"truncation*", kIgnored, "texts are cut by --max-tokens and the model's context alone"},
    {"tokenizer_truncation", kIgnored, "texts are cut by --max-tokens and the context alone"},
    {"_json_truncation", kIgnored, "texts are cut by --max-tokens and the context alone"},
    {"stride", kIgnored, "texts are cut by --max-tokens and the model's context alone"},
    {"model_input_names", kIgnored, "the models have one input"},
    {"token_type_ids*", kIgnored, "the models have no token types"},
    {"use_default_system_prompt", kIgnored, "the chat template says what is put in front"},
    {"tool_use_template", kIgnored, "the template called default is used"},
    {"grounded_generation_template", kIgnored, "the template called default is used"},
    {"response_*", kIgnored, "answers are not taken apart"},
    {"chat_control_tokens", kIgnored, "data is rendered as it is"},
    {"sanitize_control_tokens", kIgnored, "data is rendered as it is"},
    {"special_tokens_pattern", kIgnored, kOtherClass},
    {"_spm_precompiled_charsmap", kIgnored, "tokenizer.json and tokenizer.model hold it"},

    {"vocab*", kIgnored, kFiles},
    {"merges*", kIgnored, kFiles},
    {"tokenizer*", kIgnored, kFiles},
    {"special_tokens_map_file", kIgnored, kFiles},
    {"files_loaded", kIgnored, kFiles},
    {"gguf_file", kIgnored, kFiles},
    {"unk_id", kIgnored, "tokenizer.json says it"},
    {"post_processor", kIgnored, "tokenizer.json says it"},
    {"name_or_path", kIgnored, "where the tokenizer came from"},
    {"init_inputs", kIgnored, "where the tokenizer came from"},
    {"from_slow", kIgnored, "where the tokenizer came from"},
    {"use_source_tokenizer", kIgnored, "where the tokenizer came from"},
    {"_from_*", kIgnored, "where the tokenizer came from"},
    {"_commit_hash", kIgnored, "where the tokenizer came from"},
    {"extra_ids", kIgnored, "the added tokens are listed themselves"},
    {"prefix_token", kIgnored, kOtherClass},
    {"middle_token", kIgnored, kOtherClass},
    {"suffix*", kIgnored, kOtherClass},
    {"eot_token", kIgnored, kOtherClass},
    {"fill_token", kIgnored, kOtherClass},
    {"src_lang", kIgnored, kOtherClass},
    {"tgt_lang", kIgnored, kOtherClass},
    {"cache_dir", kIgnored, kArgument},
    {"commit_message", kIgnored, kArgument},
    {"device_map", kIgnored, kArgument},
    {"force_download", kIgnored, kArgument},
    {"is_split_into_words", kIgnored, kArgument},
    {"local_files_only", kIgnored, kArgument},
    {"max_length", kIgnored, kArgument},
    {"max_target_length", kIgnored, kArgument},
    {"pair", kIgnored, kArgument},
    {"proxies", kIgnored, kArgument},
    {"repo_id", kIgnored, kArgument},
    {"resume_download", kIgnored, kArgument},
    {"revision", kIgnored, kArgument},
    {"save_jinja_files", kIgnored, kArgument},
    {"subfolder", kIgnored, kArgument},
    {"text_pair", kIgnored, kArgument},
    {"token", kIgnored, kArgument},
    {"use_auth_token", kIgnored, kArgument},
    {"verbose", kIgnored, kArgument},
};

// Adds keys such as "decoder.Strip.start" of each part, including elements of lists and parts
// inside a Sequence.
void add_unknown(const std::string& section, const Json& part, std::vector<std::string>& unknown) {
  if (part.is_array()) {
    for (const Json& element : part) add_unknown(section, element, unknown);
  }
  if (!part.is_object()) return;
  const auto check = [&](const std::string& key) {
    const std::string found = "tokenizer.json: " + key;
    if (!find_fate(tokenizer_json_keys(), key) &&
        std::ranges::find(unknown, found) == unknown.end())
      unknown.push_back(found);
  };
  const std::string name = part.contains("type") && part["type"].is_string()
                               ? section + "." + part["type"].get<std::string>()
                               : section;
  check(name);
  for (const auto& [key, value] : part.items()) {
    if (key == "type") continue;
    check(name + "." + key);
    if (key == "normalizers" || key == "pretokenizers" || key == "decoders" || key == "processors")
      add_unknown(section, value, unknown);
  }
}

}  // namespace

const FormatKeys& tokenizer_json_keys() {
  static constexpr FormatKeys keys{"tokenizer.json", kTokenizerJson};
  return keys;
}

const FormatKeys& tokenizer_config_keys() {
  static constexpr FormatKeys keys{"tokenizer_config.json", kTokenizerConfig};
  return keys;
}

std::vector<std::string> unknown_tokenizer_keys(const std::filesystem::path& folder) {
  std::vector<std::string> unknown;
  for (const std::string name : {"tokenizer_config.json", "special_tokens_map.json"}) {
    if (!std::filesystem::exists(folder / name)) continue;
    for (const std::string& key : unknown_keys(read_json(folder / name), tokenizer_config_keys()))
      unknown.push_back(name + ": " + key);
  }
  if (!std::filesystem::exists(folder / "tokenizer.json")) return unknown;
  const Json tokenizer = read_json(folder / "tokenizer.json");
  for (const auto& [key, value] : tokenizer.items()) {
    if (find_fate(tokenizer_json_keys(), key)) {
      add_unknown(key, value, unknown);
    } else {
      unknown.push_back("tokenizer.json: " + key);
    }
  }
  return unknown;
}

}  // namespace mop
