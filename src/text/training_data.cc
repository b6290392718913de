// text/training_data.cc
#include "text/training_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "base/files.h"
#include "base/named_table.h"

namespace mop {
namespace {

using Ids = std::vector<int64_t>;

constexpr const char* kWithInput =
    "Below is an instruction that describes a task, paired with an input that provides further "
    "context. Write a response that appropriately completes the request.\n\n### Instruction:\n{}"
    "\n\n### Input:\n{}\n\n### Response:\n";
constexpr const char* kWithoutInput =
    "Below is an instruction that describes a task. Write a response that appropriately completes "
    "the request.\n\n### Instruction:\n{}\n\n### Response:\n";

void cut(Ids& ids, int64_t longest) {
  if (static_cast<int64_t>(ids.size()) > longest) ids.resize(static_cast<size_t>(longest));
}

int64_t eos_of(const Tokenizer& tokenizer) {
  if (const auto eos = tokenizer.eos()) return *eos;
  throw bad_input("the tokenizer has no EOS token, with which samples end");
}

std::string alpaca_prompt(const Json& record, const std::string& where) {
  const auto instruction = require<std::string>(record, "instruction", where);
  const auto input = get_or<std::string>(record, "input", "", where);
  return input.empty() ? fmt::format(kWithoutInput, instruction)
                       : fmt::format(kWithInput, instruction, input);
}

// Prompt and response are tokenised by themselves, each is cut, then EOS, then the whole is cut.
TrainingSample make_alpaca(const Json& record, const Tokenizer& tokenizer,
                           const TrainingDataOptions& options, const std::string& where,
                           Special special) {
  const std::string response = require<std::string>(record, "output", where);
  Ids prompt = tokenizer.encode(alpaca_prompt(record, where), Special::kDefault);
  Ids answer = tokenizer.encode(response, special);
  cut(prompt, options.max_tokens);
  cut(answer, options.max_tokens);
  answer.push_back(eos_of(tokenizer));
  TrainingSample sample;
  sample.labels.assign(prompt.size(), kNoLoss);
  sample.labels.insert(sample.labels.end(), answer.begin(), answer.end());
  sample.ids = std::move(prompt);
  sample.ids.insert(sample.ids.end(), answer.begin(), answer.end());
  return sample;
}

TrainingSample alpaca(const Json& record, const Tokenizer& tokenizer,
                      const TrainingDataOptions& options, const std::string& where) {
  return make_alpaca(record, tokenizer, options, where, Special::kNone);
}

// The released scripts tokenise the response with the tokenizer's special tokens too, so that a
// second BOS stands in front of it.
TrainingSample alpaca_released(const Json& record, const Tokenizer& tokenizer,
                               const TrainingDataOptions& options, const std::string& where) {
  return make_alpaca(record, tokenizer, options, where, Special::kDefault);
}

TrainingSample plain_text(const Json& record, const Tokenizer& tokenizer,
                          const TrainingDataOptions& options, const std::string& where) {
  TrainingSample sample;
  sample.ids = tokenizer.encode(require<std::string>(record, "text", where), Special::kDefault);
  if (options.text_eos) {
    const int64_t eos = eos_of(tokenizer);
    if (sample.ids.empty() || sample.ids.back() != eos) sample.ids.push_back(eos);
  }
  sample.labels = sample.ids;
  return sample;
}

size_t common_prefix(const Ids& a, const Ids& b) {
  const auto [end, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<size_t>(end - a.begin());
}

// The conversation is one text and tokenised whole. What the assistant says is learned: the tokens
// between those of the conversation up to its turn, with the words that ask for it, and those up to
// its end. Tokens that reach over such a border are learned.
TrainingSample chat(const Json& record, const Tokenizer& tokenizer,
                    const TrainingDataOptions& options, const std::string& where) {
  if (options.chat == nullptr) {
    throw bad_input("{} is a conversation, but the model has no chat template", where)
        .hint("give the model's folder a chat_template.jinja, or data of another form");
  }
  const Json& messages = record["messages"];
  const auto encode = [&](size_t turns, bool ask) {
    const Json part(
        Json::array_t(messages.begin(), messages.begin() + static_cast<int64_t>(turns)));
    return tokenizer.encode(options.chat->render(part, {.add_generation_prompt = ask}),
                            Special::kNone);
  };
  TrainingSample sample;
  sample.ids = encode(messages.size(), false);
  sample.labels.assign(sample.ids.size(), kNoLoss);
  for (size_t turn = 0; turn < messages.size(); ++turn) {
    if (require<std::string>(messages[turn], "role", where) != "assistant") continue;
    const size_t begin = turn == 0 ? 0 : common_prefix(sample.ids, encode(turn, true));
    const bool last = turn + 1 == messages.size();
    const size_t end =
        last ? sample.ids.size() : common_prefix(sample.ids, encode(turn + 1, false));
    for (size_t i = begin; i < end; ++i) sample.labels[i] = sample.ids[i];
  }
  return sample;
}

bool has_instruction(const Json& record) { return record.contains("instruction"); }
bool has_text(const Json& record) { return record.contains("text"); }
bool has_messages(const Json& record) {
  return record.contains("messages") && record["messages"].is_array() &&
         !record["messages"].empty();
}
bool never(const Json&) { return false; }

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
          "a record has `instruction` (`input`) and `output`, or `messages`, or `text`; a .txt has "
          "a sample a line");
}

}  // namespace

std::span<const TrainingForm> all_training_forms() {
  static const std::array<TrainingForm, 4> table = {{
      {"alpaca", "instruction, input, output in Alpaca's prompt; the output is learned",
       has_instruction, alpaca},
      {"alpaca-released", "the same with a second BOS before the output, as the released scripts",
       never, alpaca_released},
      {"chat", "messages through the model's chat template; the assistant's are learned",
       has_messages, chat},
      {"text", "a text, all of it is learned", has_text, plain_text},
  }};
  return table;
}

struct TrainingData::Source {
  RecordFile file;
  std::shared_ptr<const Tokenizer> tokenizer;
  TrainingDataOptions options;
  const TrainingForm* form;  // null = by record

  Json record(int64_t index) const {
    return file.is_text() ? Json{{"text", file.text(index)}} : file.json(index);
  }

  // What can be said of a record without tokenising it.
  void check(int64_t index) const {
    const Json record = this->record(index);
    const std::string where = file.is_text() ? "" : file.where(index);
    const TrainingForm& chosen = form_of(record, form, where);
    if (chosen.make == plain_text) {
      require<std::string>(record, "text", where);
    } else if (chosen.make == chat) {
      chosen.make(record, *tokenizer, options, where);
    } else {
      alpaca_prompt(record, where);
      require<std::string>(record, "output", where);
    }
  }
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
    if (options.text_eos) eos_of(*data.source_->tokenizer);
    if (!data.source_->file.is_text()) {
      for (int64_t i = 0; i < data.count_; ++i) data.source_->check(i);
    } else if (form != nullptr && form->make != plain_text) {
      throw bad_input("a plain text has no records for the form '{}'", form->name);
    }
    check_mappings();
    data.sample(0);
  } catch (Error& e) {
    throw std::move(e).where("file", file.string());
  }
  return data;
}

TrainingSample TrainingData::sample(int64_t index) const {
  const int64_t record = first_ + index;
  if (index < 0 || index >= count_)
    throw internal_error("sample {} of {} was asked for", index, count_);
  const std::string where = source_->form == nullptr && source_->file.is_text()
                                ? std::string()
                                : source_->file.where(record);
  const Json value = source_->record(record);
  const TrainingForm& form = form_of(value, source_->form, where);
  TrainingSample sample = form.make(value, *source_->tokenizer, source_->options, where);
  cut(sample.ids, source_->options.max_tokens);
  cut(sample.labels, source_->options.max_tokens);
  if (sample.ids.empty()) throw bad_input("{} holds no tokens", source_->file.where(record));
  return sample;
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
