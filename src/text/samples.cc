// text/samples.cc
#include "text/samples.h"

#include <algorithm>
#include <numeric>
#include <span>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/parse_json.h"
#include "base/random.h"
#include "text/chat_samples.h"
#include "text/encode_beginning.h"
#include "text/overlap.h"
#include "text/question_prompt.h"
#include "text/record_file.h"
#include "text/record_pictures.h"

namespace mop {
namespace {

constexpr const char* kKnownFields =
    "a record has `text`, or `instruction` (and `input`), or `question` and `choices`, or "
    "`messages`";

std::string alpaca_prompt(const Json& record, std::string_view where) {
  const auto instruction = require<std::string>(record, "instruction", where);
  const auto input = get_or<std::string>(record, "input", "", where);
  const std::string middle = input.empty() ? "" : fmt::format("Input: {}\n", input);
  return fmt::format("Instruction: {}\n{}Response:", instruction, middle);
}

std::string sample_of(const Json& record, const std::string& where, ChatSamples& chats) {
  if (record.is_object()) {
    if (record.contains("text")) return require<std::string>(record, "text", where);
    if (record.contains("instruction")) return alpaca_prompt(record, where);
    if (record.contains("question") && record.contains("choices"))
      return question_prompt(record, where);
    if (is_conversation(record)) return chats.text(record, where);
  }
  std::string got = record.is_object() ? "" : record.type_name();
  if (record.is_object()) {
    for (const auto& item : record.items()) got += (got.empty() ? "`" : ", `") + item.key() + "`";
  }
  throw bad_input("{} is no sample: it has {}", where, got.empty() ? "no fields" : got)
      .hint(kKnownFields);
}

std::string hash_of(const std::vector<std::vector<int64_t>>& ids) {
  Sha256 hash;
  for (const auto& sample : ids) {
    const auto size = static_cast<int64_t>(sample.size());
    hash.add({reinterpret_cast<const char*>(&size), sizeof size});
    hash.add({reinterpret_cast<const char*>(sample.data()), sample.size() * sizeof(int64_t)});
  }
  return hash.hex();
}

// Returns the indices of the selected texts. A longer selection begins with the shorter one.
std::vector<int64_t> choose(int64_t available, int64_t wanted, const SampleOptions& options) {
  const int64_t count = std::min(available, wanted);
  if (options.random) return Random(options.seed).sample(available, count);
  std::vector<int64_t> first(static_cast<size_t>(count));
  std::iota(first.begin(), first.end(), int64_t{0});
  return first;
}

// Returns the maximum number of tokens of a sample; 0 = unlimited.
int64_t longest_sample(const SampleOptions& options, int64_t context) {
  if (options.samples < 1)
    throw usage_error("{} samples were asked for, at least 1 is needed", options.samples);
  if (options.max_tokens < 0)
    throw usage_error("samples cannot be cut to {} tokens", options.max_tokens);
  if (options.max_tokens == 0 || context == 0) return std::max(options.max_tokens, context);
  return std::min(options.max_tokens, context);
}

TokenSamples tokenize(const std::vector<std::string>& texts, std::span<const int64_t> chosen,
                      const Tokenizer& tokenizer, int64_t longest) {
  TokenSamples made;
  for (const int64_t index : chosen) {
    const std::string& text = texts[static_cast<size_t>(index)];
    auto sample = encode_beginning(tokenizer, text, Special::kDefault, longest);
    if (sample.empty()) continue;
    made.ids.push_back(std::move(sample));
    made.origins.push_back({index, line_hashes(text)});
  }
  made.sha256 = hash_of(made.ids);
  made.longest = longest;
  return made;
}

TokenSamples not_empty(TokenSamples samples) {
  if (samples.ids.empty()) throw bad_input("the samples hold no tokens");
  return samples;
}

std::vector<std::string> built_in_text() {
  static constexpr std::string_view kLines =
#include "text/calibration_text.jsonl.inc"
      ;
  std::vector<std::string> texts;
  for (size_t begin = 0; begin < kLines.size();) {
    const size_t end = kLines.find('\n', begin);
    texts.push_back(parse_json(kLines.substr(begin, end - begin))["text"]);
    begin = end + 1;
  }
  return texts;
}

}  // namespace

std::vector<std::string> read_samples(const std::filesystem::path& file) {
  return read_samples(file, {});
}

std::vector<std::string> read_samples(const std::filesystem::path& file,
                                      const std::filesystem::path& model) {
  if (file == kBuiltInText) return built_in_text();
  ChatSamples chats(model);
  const RecordFile records = RecordFile::open(file);
  std::vector<std::string> samples;
  samples.reserve(static_cast<size_t>(records.size()));
  try {
    for (int64_t i = 0; i < records.size(); ++i) {
      samples.push_back(records.is_text() ? records.text(i)
                                          : sample_of(records.json(i), records.where(i), chats));
    }
  } catch (Error& e) {
    throw std::move(e).where("file", file.string());
  }
  check_mappings();
  return samples;
}

int64_t predicted_tokens(std::span<const std::vector<int64_t>> sequences, int64_t vocab) {
  int64_t count = 0;
  for (const auto& ids : sequences) {
    if (ids.empty()) continue;
    count += std::count_if(ids.begin() + 1, ids.end(), [&](int64_t id) { return id < vocab; });
  }
  return count;
}

void rehash(TokenSamples& samples) { samples.sha256 = hash_of(samples.ids); }

int64_t TokenSamples::tokens() const {
  int64_t count = 0;
  for (const auto& sample : ids) count += static_cast<int64_t>(sample.size());
  return count;
}

TokenSamples tokenize_samples(const std::vector<std::string>& texts, const Tokenizer& tokenizer,
                              const SampleOptions& options, int64_t context) {
  const int64_t longest = longest_sample(options, context);
  const std::vector<int64_t> chosen = choose(std::ssize(texts), options.samples, options);
  return not_empty(tokenize(texts, chosen, tokenizer, longest));
}

SplitSamples tokenize_split(const std::vector<std::string>& texts, const Tokenizer& tokenizer,
                            const SampleOptions& options, int64_t context) {
  const int64_t longest = longest_sample(options, context);
  const int64_t measured = std::min(std::ssize(texts), options.samples);
  const int64_t judged = std::min(measured, std::max<int64_t>(1, measured / 8));
  const std::vector<int64_t> chosen = choose(std::ssize(texts), measured + judged, options);
  const std::span all(chosen);
  return {not_empty(tokenize(texts, all.first(static_cast<size_t>(measured)), tokenizer, longest)),
          tokenize(texts, all.last(static_cast<size_t>(judged)), tokenizer, longest),
          measured + judged - std::ssize(chosen)};
}

}  // namespace mop
