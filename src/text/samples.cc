// text/samples.cc
#include "text/samples.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/random.h"
#include "text/chat_samples.h"
#include "text/overlap.h"
#include "text/record_file.h"

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

// A ScienceQA question: its choices lettered, the answer left out.
std::string question_prompt(const Json& record, std::string_view where) {
  const Json& choices = record["choices"];
  if (!choices.is_array() || choices.size() > 26)
    throw bad_input("{}: `choices` is not a list of up to 26", where);
  std::string options;
  for (size_t i = 0; i < choices.size(); ++i) {
    if (!choices[i].is_string()) throw bad_input("{}: choice {} is not a text", where, i + 1);
    options += fmt::format(" ({}) {}", static_cast<char>('A' + i), choices[i].get<std::string>());
  }
  return fmt::format("Question: {}\nOptions:{}\nAnswer:",
                     require<std::string>(record, "question", where), options);
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

TokenSamples make_samples(std::vector<std::vector<int64_t>> ids,
                          std::vector<SampleOrigin> origins) {
  TokenSamples made{std::move(ids), "", std::move(origins)};
  made.sha256 = hash_of(made.ids);
  return made;
}

// Which texts, in which order.
std::vector<int64_t> choose(int64_t available, const SampleOptions& options) {
  const int64_t count = std::min(available, options.samples);
  if (options.random) return Random(options.seed).sample(available, count);
  std::vector<int64_t> first(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) first[static_cast<size_t>(i)] = i;
  return first;
}

}  // namespace

std::vector<std::string> read_samples(const std::filesystem::path& file) {
  return read_samples(file, {});
}

std::vector<std::string> read_samples(const std::filesystem::path& file,
                                      const std::filesystem::path& model) {
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

int64_t TokenSamples::tokens() const {
  int64_t count = 0;
  for (const auto& sample : ids) count += static_cast<int64_t>(sample.size());
  return count;
}

TokenSamples tokenize_samples(const std::vector<std::string>& texts, const Tokenizer& tokenizer,
                              const SampleOptions& options, int64_t context) {
  if (options.samples < 1)
    throw usage_error("{} samples were asked for, at least 1 is needed", options.samples);
  if (options.max_tokens < 0)
    throw usage_error("samples cannot be cut to {} tokens", options.max_tokens);
  int64_t longest = options.max_tokens > 0 ? options.max_tokens : context;
  if (context > 0) longest = std::min(longest, context);
  std::vector<std::vector<int64_t>> ids;
  std::vector<SampleOrigin> origins;
  for (const int64_t index : choose(static_cast<int64_t>(texts.size()), options)) {
    const std::string& text = texts[static_cast<size_t>(index)];
    auto sample = tokenizer.encode(text, Special::kDefault);
    if (longest > 0 && static_cast<int64_t>(sample.size()) > longest)
      sample.resize(static_cast<size_t>(longest));
    if (sample.empty()) continue;
    ids.push_back(std::move(sample));
    origins.push_back({index, line_hashes(text)});
  }
  if (ids.empty()) throw bad_input("the samples hold no tokens");
  return make_samples(std::move(ids), std::move(origins));
}

namespace {

// Takes what is from number `first` on away from `list`.
template <typename T>
std::vector<T> take_tail(std::vector<T>& list, size_t first) {
  if (first >= list.size()) return {};
  const auto cut = list.begin() + static_cast<ptrdiff_t>(first);
  std::vector<T> tail(std::make_move_iterator(cut), std::make_move_iterator(list.end()));
  list.resize(first);
  return tail;
}

}  // namespace

std::pair<TokenSamples, TokenSamples> split_validation(TokenSamples all) {
  const size_t count = all.ids.size();
  const size_t kept = count < 2 ? count : count - std::max<size_t>(1, count / 8);
  auto last = take_tail(all.ids, kept);
  auto last_origins = take_tail(all.origins, kept);
  return {make_samples(std::move(all.ids), std::move(all.origins)),
          make_samples(std::move(last), std::move(last_origins))};
}

}  // namespace mop
