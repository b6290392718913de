// text/training_data.h -- a data file as training samples: token ids, and which of them are to be
// learned. The file is mapped and tokenised sample by sample when asked for.
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
  std::vector<int64_t> labels;  ///< of each token: itself, or kNoLoss. Not shifted.
  int64_t lost_turns = 0;       ///< of the assistant, not learned: their place was not found
};

struct TrainingDataOptions {
  /// A row of `all_training_forms()`, or "auto": by what each record has.
  std::string form = "auto";
  int64_t max_tokens = 512;  ///< what is longer is cut
  /// EOS behind plain texts. Answers always end in EOS (chat templates have their own end).
  bool text_eos = false;
  /// Of the model; null = it has none, and conversations are refused.
  std::shared_ptr<const ChatTemplate> chat = nullptr;
  /// Of a model that sees; null = a record with pictures is refused. Their tokens come on top of
  /// `max_tokens`.
  PlacePictures place = nullptr;
};

/// How a record becomes a sample.
struct TrainingForm {
  std::string name;     ///< "alpaca"
  std::string summary;  ///< one line for `mop list training-forms`
  /// Whether "auto" takes this form for a record.
  bool (*fits)(const Json& record);
  /// `where` names the record in errors.
  TrainingSample (*make)(const Json& record, const Tokenizer& tokenizer,
                         const TrainingDataOptions& options, const std::string& where);
  /// What can be said of a record without tokenising it; null = only `make` knows.
  void (*check)(const Json& record, const std::string& where);
  /// The record's keys that `make` reads.
  std::span<const std::string_view> (*reads)(const Json& record);
};
/// chat, alpaca, alpaca-released, completion, text. "auto" takes the first that fits.
std::span<const TrainingForm> all_training_forms();

/// A range of a data file's samples; copies share the mapped file.
class TrainingData {
 public:
  /// Reads every record once, to find errors now and not after hours. Throws Error(kUsage) for an
  /// unknown form, Error(kBadInput) naming file and record, also when the tokenizer has no EOS and
  /// a form needs it, and when there is nothing to learn in the whole file.
  static TrainingData open(const std::filesystem::path& file,
                           std::shared_ptr<const Tokenizer> tokenizer,
                           const TrainingDataOptions& options = {});

  /// What the user should know: keys that are not read, turns that are not learned.
  const std::vector<std::string>& notes() const { return notes_; }

  int64_t size() const { return count_; }
  /// Tokenised now, cut to `max_tokens`, not empty; it may hold nothing to learn when its prompt
  /// alone fills it. Throws Error(kBadInput) naming file and record.
  TrainingSample sample(int64_t index) const;
  TrainingData slice(int64_t first, int64_t count) const;
  /// {all but the last `held_out`, the last `held_out`} samples. Throws Error(kUsage) when nothing
  /// would be left to train on.
  std::pair<TrainingData, TrainingData> split_last(int64_t held_out) const;
  /// What the samples depend on: the file's bytes, the range, the tokenizer and the options.
  std::string fingerprint() const;

 private:
  struct Source;
  class Inspection;
  std::shared_ptr<const Source> source_;
  std::vector<std::string> notes_;
  int64_t first_ = 0, count_ = 0;
};

}  // namespace mop
