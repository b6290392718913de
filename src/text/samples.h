// text/samples.h -- reads a text file as samples and tokenises them.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace mop {

/// In place of a file name: the text that comes with the program, some 150 samples of many kinds
/// written by SmolLM2-135M-Instruct (tools/make_calibration_text.py). `./built-in` names a file.
inline constexpr const char* kBuiltInText = "built-in";

/// `.txt`: one sample per line, "\n" or "\r\n"; blank lines are skipped. `.jsonl`/`.json` (lines or
/// one list): records with `text`, Alpaca records in the paper's calibration prompt (instruction
/// and input, without the answer), or questions with choices (ScienceQA). Throws Error(kBadInput)
/// naming the file and the line or record that is not UTF-8 text (text/text_file.h) or not a
/// sample, and for a file without samples.
std::vector<std::string> read_samples(const std::filesystem::path& file);

/// How samples are selected and truncated.
struct SampleOptions {
  int64_t samples = 128;  ///< number of samples; fewer when the file has fewer
  bool random = false;    ///< select randomly by `seed`; otherwise take the first
  uint64_t seed = 0;
  int64_t max_tokens = 0;  ///< maximum length of a sample; 0 = the model's context
};

/// The origin of a sample.
struct SampleOrigin {
  int64_t index = 0;                  ///< index in the file, from 0
  std::vector<uint64_t> line_hashes;  ///< of the whole text, see text/overlap.h
};

/// A list of token sequences: the calibration set of a run.
struct TokenSamples {
  std::vector<std::vector<int64_t>> ids;  ///< no sequence is empty
  std::string sha256;                     ///< of the ids, for fingerprints
  /// One per sample; empty when the samples do not come from a file.
  std::vector<SampleOrigin> origins = {};
  int64_t longest = 0;  ///< maximum length of a sample; 0 = no limit
  int64_t tokens() const;
};

/// Returns the number of tokens that are predicted: all except the first of each sequence and ids
/// of `vocab` and above, which are inputs only (pictures).
int64_t predicted_tokens(std::span<const std::vector<int64_t>> sequences, int64_t vocab);

/// Recomputes the hash after the ids were changed.
void rehash(TokenSamples& samples);

/// Tokenises the selected texts with the tokenizer's default special tokens. `context` is the
/// model's context length in tokens.
TokenSamples tokenize_samples(const std::vector<std::string>& texts, const Tokenizer& tokenizer,
                              const SampleOptions& options, int64_t context);

/// Calibration and validation samples.
struct SplitSamples {
  TokenSamples calibration;
  TokenSamples validation;
  int64_t shared = 0;  ///< validation samples that are also calibration samples
};

/// Like `tokenize_samples`; the validation set is the next texts in the same order, an eighth as
/// many (at least one). When there are not enough texts, the last ones are in both sets.
SplitSamples tokenize_split(const std::vector<std::string>& texts, const Tokenizer& tokenizer,
                            const SampleOptions& options, int64_t context);

}  // namespace mop
