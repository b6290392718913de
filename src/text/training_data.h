// text/training_data.h -- a data file as training samples: token ids and labels. The file is
// mapped; samples are tokenised on demand.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "text/chat_template.h"
#include "text/record_file.h"
#include "text/record_pictures.h"
#include "text/tokenizer.h"

namespace mop {

struct TrainingSample {
  std::vector<int64_t> ids;
  std::vector<int64_t> labels;  ///< per token: its id, or kNoLoss; not shifted
  /// Assistant turns that are not learned, because their position was not found.
  int64_t lost_turns = 0;
  bool cut = false;  ///< longer than `max_tokens`
};

struct TrainingDataOptions {
  /// A row of `all_training_forms()`, or "auto": chosen by the keys of each record.
  std::string form = "auto";
  int64_t max_tokens = 512;  ///< longer samples are truncated
  /// Appends EOS to plain texts. Answers always end in EOS (chat templates have their own end).
  bool text_eos = false;
  /// The model's chat template; null: conversations cause an error.
  std::shared_ptr<const ChatTemplate> chat = nullptr;
  /// Inserts the tokens of pictures, in addition to `max_tokens`; null: a record with pictures
  /// causes an error.
  PlacePictures place = nullptr;
};

/// Converts a record to a sample.
struct TrainingForm {
  std::string name;     ///< "alpaca"
  std::string summary;  ///< one line for `mop list training-forms`
  /// Returns whether "auto" selects this form for a record.
  bool (*fits)(const Json& record);
  /// `where` names the record in errors.
  TrainingSample (*make)(const Json& record, const Tokenizer& tokenizer,
                         const TrainingDataOptions& options, const std::string& where);
  /// Checks a record before it is tokenised; null = only `make` detects errors.
  void (*check)(const Json& record, const std::string& where);
  /// Returns the keys of the record that `make` reads.
  std::span<const std::string_view> (*reads)(const Json& record);
};
/// chat, alpaca, alpaca-released, completion, text. "auto" selects the first that fits.
std::span<const TrainingForm> all_training_forms();

/// A range of the samples of a data file. Copies share the mapped file.
class TrainingData {
 public:
  /// Reads and tokenises every record once, so that errors are found before training (of a plain
  /// text, the lines up to the first with something to learn). Throws Error(kUsage) for an
  /// unknown form, Error(kBadInput) naming file and record, also when a form needs EOS and the
  /// tokenizer has none, and when the file contains nothing to learn.
  static TrainingData open(const std::filesystem::path& file,
                           std::shared_ptr<const Tokenizer> tokenizer,
                           const TrainingDataOptions& options = {});

  /// Warnings: keys that are not read, turns and samples that are not learned, samples that are
  /// cut.
  const std::vector<std::string>& notes() const { return notes_; }

  int64_t size() const { return count_; }
  /// Returns whether a sample of the range has something to learn. Tokenises up to the first.
  bool has_target() const;
  /// Tokenises a sample, truncated to `max_tokens`. Not empty, but may contain nothing to learn
  /// when the prompt fills it. Throws Error(kBadInput) naming file and record.
  TrainingSample sample(int64_t index) const;
  TrainingData slice(int64_t first, int64_t count) const;
  /// Returns {all but the last `held_out`, the last `held_out`} samples. Throws Error(kUsage) when
  /// nothing would be left to train on.
  std::pair<TrainingData, TrainingData> split_last(int64_t held_out) const;
  /// Hash of what the samples depend on: the file's bytes, the range, the tokenizer and the
  /// options.
  std::string fingerprint() const;

 private:
  struct Source;
  class Inspection;
  std::shared_ptr<const Source> source_;
  std::vector<std::string> notes_;
  int64_t first_ = 0, count_ = 0;
};

}  // namespace mop
