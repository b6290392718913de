// text/training_forms.cc -- converts records to ids and labels.
#include <fmt/format.h>

#include <algorithm>
#include <array>

#include "base/error.h"
#include "text/assistant_turns.h"
#include "text/encode_beginning.h"
#include "text/training_data.h"

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

// Tokenises prompt and response separately, truncates each, appends EOS, and truncates the whole.
TrainingSample make_alpaca(const Json& record, const Tokenizer& tokenizer,
                           const TrainingDataOptions& options, const std::string& where,
                           Special special) {
  const std::string response = require<std::string>(record, "output", where);
  Ids prompt = encode_beginning(tokenizer, alpaca_prompt(record, where), Special::kDefault,
                                options.max_tokens);
  Ids answer = encode_beginning(tokenizer, response, special, options.max_tokens);
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

// The released scripts tokenise the response with special tokens too, which adds a second BOS
// before it.
TrainingSample alpaca_released(const Json& record, const Tokenizer& tokenizer,
                               const TrainingDataOptions& options, const std::string& where) {
  return make_alpaca(record, tokenizer, options, where, Special::kDefault);
}

TrainingSample plain_text(const Json& record, const Tokenizer& tokenizer,
                          const TrainingDataOptions& options, const std::string& where) {
  TrainingSample sample;
  sample.ids = encode_beginning(tokenizer, require<std::string>(record, "text", where),
                                Special::kDefault, options.max_tokens);
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

void learn(TrainingSample& sample, size_t begin, size_t end) {
  std::copy(sample.ids.begin() + static_cast<ptrdiff_t>(begin),
            sample.ids.begin() + static_cast<ptrdiff_t>(end),
            sample.labels.begin() + static_cast<ptrdiff_t>(begin));
}

// Tokenises the rendered conversation as a whole. Tokens that overlap the assistant's turns are
// learned.
TrainingSample chat(const Json& record, const Tokenizer& tokenizer,
                    const TrainingDataOptions& options, const std::string& where) {
  if (options.chat == nullptr) {
    throw bad_input("{} is a conversation, but the model has no chat template", where)
        .hint("give the model's folder a chat_template.jinja, or data of another form");
  }
  const RenderedTurns spoken =
      find_turns(*options.chat, as_template_expects(conversation_of(record, where), *options.chat,
                                                    pictures_of(record, where).size()));
  const Special special = options.chat->specials_of(spoken.text);
  TrainingSample sample;
  sample.lost_turns = spoken.lost;
  sample.ids = encode_beginning(tokenizer, spoken.text, special, options.max_tokens);
  sample.labels.assign(sample.ids.size(), kNoLoss);
  const auto tokens_of = [&](size_t bytes) {
    return encode_beginning(tokenizer, std::string_view(spoken.text).substr(0, bytes), special,
                            options.max_tokens);
  };
  for (const auto& [begin, end] : spoken.learned) {
    const Ids before = tokens_of(begin), until = tokens_of(end);
    const size_t last = common_prefix(sample.ids, until);
    const size_t reaches_over = last < until.size() && last < sample.ids.size() ? 1 : 0;
    learn(sample, common_prefix(sample.ids, before), last + reaches_over);
  }
  return sample;
}

// Tokenises prompt and completion as one text, followed by EOS.
TrainingSample completion(const Json& record, const Tokenizer& tokenizer,
                          const TrainingDataOptions& options, const std::string& where) {
  const auto prompt = require<std::string>(record, "prompt", where);
  TrainingSample sample;
  sample.ids =
      encode_beginning(tokenizer, prompt + require<std::string>(record, "completion", where),
                       Special::kDefault, options.max_tokens);
  const int64_t eos = eos_of(tokenizer);
  if (sample.ids.empty() || sample.ids.back() != eos) sample.ids.push_back(eos);
  sample.labels.assign(sample.ids.size(), kNoLoss);
  learn(sample,
        common_prefix(sample.ids,
                      encode_beginning(tokenizer, prompt, Special::kDefault, options.max_tokens)),
        sample.ids.size());
  return sample;
}

bool has_instruction(const Json& record) { return record.contains("instruction"); }
bool has_text(const Json& record) { return record.contains("text"); }
bool has_completion(const Json& record) {
  return record.contains("prompt") && record.contains("completion");
}
bool never(const Json&) { return false; }

void check_alpaca(const Json& record, const std::string& where) {
  alpaca_prompt(record, where);
  require<std::string>(record, "output", where);
  if (!is_conversation(record)) return;
  throw bad_input("{} has a `system` text or a `history`, which Alpaca's prompt has no place for",
                  where)
      .hint("data.template=chat writes it with the model's chat template");
}

void check_completion(const Json& record, const std::string& where) {
  require<std::string>(record, "prompt", where);
  require<std::string>(record, "completion", where);
}

void check_text(const Json& record, const std::string& where) {
  require<std::string>(record, "text", where);
}

template <const auto& kKeys>
std::span<const std::string_view> always(const Json&) {
  return kKeys;
}

constexpr std::string_view kAlpacaKeys[] = {"instruction", "input", "output", "system", "history"};
constexpr std::string_view kCompletionKeys[] = {"prompt", "completion"};
constexpr std::string_view kTextKeys[] = {"text"};

}  // namespace

std::span<const TrainingForm> all_training_forms() {
  static const std::array<TrainingForm, 5> table = {{
      {"chat",
       "messages, or conversations (ShareGPT), through the model's chat template; what the "
       "assistant says is learned",
       is_conversation, chat, nullptr, conversation_keys},
      {"alpaca", "instruction, input, output in Alpaca's prompt; the output is learned",
       has_instruction, alpaca, check_alpaca, always<kAlpacaKeys>},
      {"alpaca-released", "the same with a second BOS before the output, as the released scripts",
       never, alpaca_released, check_alpaca, always<kAlpacaKeys>},
      {"completion", "prompt and completion, which are texts; the completion is learned",
       has_completion, completion, check_completion, always<kCompletionKeys>},
      {"text", "a text, all of it is learned", has_text, plain_text, check_text, always<kTextKeys>},
  }};
  return table;
}

}  // namespace mop
