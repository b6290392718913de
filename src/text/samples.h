// text/samples.h -- a text file as a list of samples, and samples as token sequences.
#pragma once
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "text/tokenizer.h"

namespace mop {

/// Instead of a file's name: the text that comes with the program, some 140 samples of many kinds,
/// which SmolLM2-135M-Instruct wrote (tools/make_calibration_text.py). `./built-in` is a file.
inline constexpr const char* kBuiltInText = "built-in";

/// `.txt`: one sample a line, "\n" or "\r\n"; blank lines are skipped. `.jsonl`/`.json` (lines or
/// one list): records with `text`, Alpaca records through the calibration prompt of the paper
/// (instruction and input, no answer), or questions with choices (ScienceQA). Throws
/// Error(kBadInput) naming file and line or record where that is not UTF-8 text (text/text_file.h)
/// or no sample; a file without samples is an error.
std::vector<std::string> read_samples(const std::filesystem::path& file);

/// How samples are chosen and cut.
struct SampleOptions {
  int64_t samples = 128;  ///< how many; fewer when the file has fewer
  bool random = false;    ///< draw them by `seed` instead of taking the first
  uint64_t seed = 0;
  int64_t max_tokens = 0;  ///< cut each sample; 0 = the model's context
};

/// Where a sample comes from.
struct SampleOrigin {
  int64_t index = 0;                  ///< among the file's samples, from 0
  std::vector<uint64_t> line_hashes;  ///< of its whole text, see text/overlap.h
};

/// A recorded list of token sequences: the one calibration set of a run.
struct TokenSamples {
  std::vector<std::vector<int64_t>> ids;   ///< each non-empty
  std::string sha256;                      ///< of the ids, for fingerprints
  std::vector<SampleOrigin> origins = {};  ///< one a sample; none when they come from no file
  int64_t longest = 0;                     ///< what is longer was cut; 0 = nothing was
  int64_t tokens() const;
};

/// Tokens that are predicted: all but each sequence's first and those behind the vocabulary, which
/// are seen and never said.
int64_t predicted_tokens(std::span<const std::vector<int64_t>> sequences, int64_t vocab);

/// Takes the hash anew where ids were changed.
void rehash(TokenSamples& samples);

/// Tokenised with the tokenizer's own special tokens. `context` is the model's (tokens).
TokenSamples tokenize_samples(const std::vector<std::string>& texts, const Tokenizer& tokenizer,
                              const SampleOptions& options, int64_t context);

/// Calibration samples, and others to judge on.
struct SplitSamples {
  TokenSamples calibration;
  TokenSamples validation;
  int64_t shared = 0;  ///< validation samples that are calibration samples too
};

/// As `tokenize_samples`, and for validation an eighth as many texts (at least one) that come
/// behind them in the same order. When the texts run out the last ones serve as both.
SplitSamples tokenize_split(const std::vector<std::string>& texts, const Tokenizer& tokenizer,
                            const SampleOptions& options, int64_t context);

}  // namespace mop
