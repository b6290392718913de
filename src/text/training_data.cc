// text/training_data.cc
#include "text/training_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/named_table.h"
#include "text/conversation.h"
#include "text/training_keys.h"

namespace mop {
namespace {

template <typename T>
void cut(std::vector<T>& list, int64_t longest) {
  if (static_cast<int64_t>(list.size()) > longest) list.resize(static_cast<size_t>(longest));
}

const TrainingForm& form_of(const Json& record, const TrainingForm* chosen,
                            const std::string& where) {
  if (chosen != nullptr) return *chosen;
  if (record.is_object()) {
    for (const TrainingForm& form : all_training_forms()) {
      if (form.fits(record)) return form;
    }
  }
  std::string got = record.is_object() ? "no fields" : record.type_name();
  if (record.is_object() && !record.empty()) {
    std::vector<std::string> keys;
    for (const auto& item : record.items()) keys.push_back("`" + item.key() + "`");
    got = fmt::format("{}", fmt::join(keys, ", "));
  }
  throw bad_input("{} is no training sample: it has {}", where, got)
      .hint(
          "a record has `messages` or `conversations`, `instruction` (`input`) and `output`, "
          "`prompt` "
          "and `completion`, or `text`; a .txt has a sample a line");
}

// The first token of a sample is never a target.
bool has_target(const TrainingSample& sample) {
  return std::any_of(sample.labels.begin() + (sample.labels.empty() ? 0 : 1), sample.labels.end(),
                     [](int64_t label) { return label != kNoLoss; });
}

std::string quoted(const std::set<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "`" : ", `") + name + "`";
  return text;
}

}  // namespace

struct TrainingData::Source {
  RecordFile file;
  std::shared_ptr<const Tokenizer> tokenizer;
  TrainingDataOptions options;
  const TrainingForm* form;  // null = chosen per record
  // The options with one token more, which tells whether a sample is longer.
  TrainingDataOptions one_more = with_one_more(options);

  static TrainingDataOptions with_one_more(TrainingDataOptions options) {
    if (options.max_tokens < INT64_MAX) ++options.max_tokens;
    return options;
  }

  Json record(int64_t index) const {
    return file.is_text() ? Json{{"text", file.text(index)}} : file.json(index);
  }
  std::string where(int64_t index) const { return file.where(index); }

  TrainingSample sample(int64_t index) const {
    const Json record = this->record(index);
    const TrainingForm& chosen = form_of(record, form, where(index));
    try {
      TrainingSample sample = chosen.make(record, *tokenizer, one_more, where(index));
      sample.cut = std::ssize(sample.ids) > options.max_tokens;
      cut(sample.ids, options.max_tokens);
      cut(sample.labels, options.max_tokens);
      if (sample.ids.empty()) throw bad_input("{} holds no tokens", where(index));
      if (options.place) {
        const bool was_cut = std::ssize(sample.ids) == options.max_tokens;
        options.place(sample.ids, &sample.labels, pictures_of(record, where(index)), was_cut);
      }
      return sample;
    } catch (Error& e) {
      if (e.message().starts_with(where(index))) throw;
      throw std::move(e).where("sample", where(index));
    }
  }
};

/// Collects what the user should know while every record is read once.
class TrainingData::Inspection {
 public:
  explicit Inspection(const Source& source) : source_(source) {}

  void look_at(int64_t index) {
    const Json record = source_.record(index);
    const std::string where = source_.where(index);
    if (record.is_object()) refuse_keys(record, record_keys(), where);
    const TrainingForm& form = form_of(record, source_.form, where);
    if (!record.is_object())
      throw bad_input("{} is a {}, not an object", where, record.type_name());
    if (source_.options.place == nullptr && !pictures_of(record, where).empty())
      throw bad_input("{} has a picture, but the model does not read pictures", where);
    note_unread_keys(record, form);
    if (form.check != nullptr) form.check(record, where);
    look_at_sample(index, record, form.check == nullptr);
  }
  bool has_target() const { return has_target_; }

  // Throws when no sample has anything to learn.
  std::vector<std::string> notes() const {
    if (!has_target_) throw nothing_to_learn();
    std::vector<std::string> notes;
    if (!unread_.empty())
      notes.push_back("the data's records hold keys that are not read: " + quoted(unread_));
    if (lost_ > 0) {
      notes.push_back(
          fmt::format("{} turns of the assistant are not learned: their place in what the "
                      "chat template writes could not be found",
                      lost_));
    }
    if (silent_ > 0) {
      notes.push_back(
          fmt::format("{} of {} samples hold nothing to learn within {} tokens (data.max_tokens)",
                      silent_, samples_, source_.options.max_tokens));
    }
    if (cut_ > 0) {
      notes.push_back(fmt::format("{} of {} samples are cut to {} tokens (data.max_tokens)", cut_,
                                  samples_, source_.options.max_tokens));
    }
    return notes;
  }

 private:
  void note_unread_keys(const Json& record, const TrainingForm& form) {
    const auto reads = form.reads(record);
    for (const auto& [key, value] : record.items()) {
      const KeyFate* fate = find_fate(record_keys(), key);
      const bool read = key == "image" || key == "images" ||
                        std::find(reads.begin(), reads.end(), key) != reads.end();
      if (!read && (fate == nullptr || fate->fate == Fate::kHonoured)) unread_.insert(key);
    }
  }

  void look_at_sample(int64_t index, const Json& record, bool is_conversation) {
    const TrainingSample sample = source_.sample(index);
    lost_ += sample.lost_turns;
    const bool learns = mop::has_target(sample);
    has_target_ = has_target_ || learns;
    silent_ += learns ? 0 : 1;
    cut_ += sample.cut ? 1 : 0;
    ++samples_;
    if (has_target_ || !is_conversation) return;
    for (const std::string& role : conversation_of(record, "").roles()) roles_.insert(role);
  }

  Error nothing_to_learn() const {
    if (roles_.empty()) {
      return bad_input(
          "there is nothing to learn in the data: {} tokens of a sample (data.max_tokens) "
          "end before its answer begins",
          source_.options.max_tokens);
    }
    return bad_input("there is nothing to learn in the data: {}",
                     lost_ > 0
                         ? "the place of the assistant's turns in what the chat template writes "
                           "could not be found"
                         : "no message of the role `assistant` is learned")
        .where("roles found", quoted(roles_))
        .hint(fmt::format("messages of the role `assistant` whose `weight` is not 0 are learned, "
                          "within {} tokens "
                          "of a sample; ShareGPT's roles (human, gpt) belong into `conversations`",
                          source_.options.max_tokens));
  }

  const Source& source_;
  std::set<std::string> unread_, roles_;
  int64_t lost_ = 0, silent_ = 0, cut_ = 0, samples_ = 0;
  bool has_target_ = false;
};

TrainingData TrainingData::open(const std::filesystem::path& file,
                                std::shared_ptr<const Tokenizer> tokenizer,
                                const TrainingDataOptions& options) {
  if (options.max_tokens < 2) {
    throw usage_error("samples cannot be cut to {} tokens, at least 2 are needed",
                      options.max_tokens);
  }
  const TrainingForm* form =
      options.form == "auto"
          ? nullptr
          : &find_by_name(all_training_forms(), options.form, "form of training data");
  TrainingData data;
  data.source_ = std::make_shared<const Source>(
      Source{RecordFile::open(file), std::move(tokenizer), options, form});
  data.count_ = data.source_->file.size();
  try {
    if (data.source_->file.is_text() && form != nullptr && form->name != "text")
      throw bad_input("a plain text has no records for the form '{}'", form->name);
    Inspection inspection(*data.source_);
    // Lines of a plain text have no structure to check one by one.
    const bool alike = data.source_->file.is_text();
    for (int64_t i = 0; i < data.count_; ++i) {
      inspection.look_at(i);
      if (alike && inspection.has_target()) break;
    }
    data.notes_ = inspection.notes();
    check_mappings();
  } catch (Error& e) {
    throw std::move(e).where("file", file.string());
  }
  return data;
}

TrainingSample TrainingData::sample(int64_t index) const {
  if (index < 0 || index >= count_)
    throw internal_error("sample {} of {} was asked for", index, count_);
  return source_->sample(first_ + index);
}

bool TrainingData::has_target() const {
  for (int64_t i = 0; i < count_; ++i) {
    if (mop::has_target(sample(i))) return true;
  }
  return false;
}

TrainingData TrainingData::slice(int64_t first, int64_t count) const {
  if (first < 0 || count < 0 || first + count > count_)
    throw internal_error("samples [{}, {}) of {} were asked for", first, first + count, count_);
  TrainingData part = *this;
  part.first_ = first_ + first;
  part.count_ = count;
  return part;
}

std::pair<TrainingData, TrainingData> TrainingData::split_last(int64_t held_out) const {
  if (held_out < 0 || held_out >= count_) {
    throw usage_error("{} of the {} samples cannot be set aside for validation", held_out, count_)
        .where("file", source_->file.path().string());
  }
  return {slice(0, count_ - held_out), slice(count_ - held_out, held_out)};
}

std::string TrainingData::fingerprint() const {
  const TrainingDataOptions& o = source_->options;
  return sha256(fmt::format("{} {} {} {} {} {} {} {}", source_->file.sha256(), first_, count_,
                            source_->tokenizer->fingerprint(), o.form, o.max_tokens, o.text_eos,
                            o.chat == nullptr ? "" : o.chat->fingerprint()));
}

}  // namespace mop
