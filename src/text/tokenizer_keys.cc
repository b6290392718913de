// text/tokenizer_keys.cc
#include "text/tokenizer_keys.h"

namespace mop {
namespace {

constexpr Fate kHonoured = Fate::kHonoured, kRefused = Fate::kRefused, kIgnored = Fate::kIgnored;

constexpr KeyFate kTokenizerJson[] = {
    {"version", kIgnored, "there is one version, 1.0"},
    {"truncation*", kIgnored, "texts are cut by --max-tokens and the model's context alone"},
    {"padding*", kIgnored, "sequences are never padded"},
    {"added_tokens*", kHonoured, "tokens that are found before the text is cut, with their flags"},

    {"model.WordPiece*", kRefused, "a model of encoders"},
    {"model.WordLevel*", kRefused, "a model of whole words"},
    {"model.BPE.dropout", kRefused, "when above 0: the ids would be random"},
    {"model.BPE.continuing_subword_prefix", kRefused, "when not empty"},
    {"model.BPE.end_of_word_suffix", kRefused, "when not empty"},
    {"model.BPE*", kHonoured, "byte-pair merging"},
    {"model.Unigram*", kHonoured, "the most likely way to cut a word into pieces"},
    {"model", kHonoured, "the model of words"},

    {"normalizer.BertNormalizer*", kRefused, "a normalizer of encoders"},
    {"normalizer*", kHonoured, "what the text becomes before it is cut"},

    {"pre_tokenizer.BertPreTokenizer", kRefused, "a pre-tokenizer of encoders"},
    {"pre_tokenizer.CharDelimiterSplit*", kRefused, "not supported"},
    {"pre_tokenizer.FixedLength*", kRefused, "not supported"},
    {"pre_tokenizer.UnicodeScripts", kRefused, "not supported"},
    {"pre_tokenizer.ByteLevel.trim_offsets", kIgnored, "offsets are not used"},
    {"pre_tokenizer*", kHonoured, "how the text is cut into words"},

    {"post_processor.TemplateProcessing.pair", kIgnored, "two texts are never one sequence"},
    {"post_processor.ByteLevel.*", kIgnored, "offsets are not used"},
    {"post_processor.RobertaProcessing.trim_offsets", kIgnored, "offsets are not used"},
    {"post_processor.RobertaProcessing.add_prefix_space", kIgnored, "offsets are not used"},
    {"post_processor*", kHonoured, "the special tokens around a text"},

    {"decoder.BPEDecoder*", kRefused, "not supported"},
    {"decoder.CTC*", kRefused, "a decoder of speech models"},
    {"decoder.WordPiece*", kRefused, "a decoder of encoders"},
    {"decoder.ByteLevel.*", kIgnored, "they concern encoding"},
    {"decoder.Metaspace.split", kIgnored, "it concerns encoding"},
    {"decoder*", kHonoured, "how tokens become a text"},
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

}  // namespace

const FormatKeys& tokenizer_json_keys() {
  static constexpr FormatKeys keys{"tokenizer.json", kTokenizerJson};
  return keys;
}

const FormatKeys& tokenizer_config_keys() {
  static constexpr FormatKeys keys{"tokenizer_config.json", kTokenizerConfig};
  return keys;
}

}  // namespace mop
