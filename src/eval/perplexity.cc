// eval/perplexity.cc -- the table of protocols. They differ in what a document is, and in nothing
// else.
#include "eval/perplexity.h"

#include <charconv>
#include <chrono>
#include <cmath>
#include <sstream>

#include "base/error.h"
#include "base/files.h"
#include "base/named_table.h"
#include "text/samples.h"

namespace mop {
namespace {

using Path = std::filesystem::path;
using Sequences = std::vector<std::vector<int64_t>>;

/// What a protocol makes of a text.
struct Documents {
  Sequences ids;      ///< each longer than `first`
  std::string bos;    ///< the rule in words
  int64_t first = 1;  ///< position of the first scored token
};

Documents line_documents(const Path& text, const Tokenizer& tokenizer, int64_t context) {
  Documents documents;
  documents.bos = tokenizer.bos()
                      ? "BOS before every line, no EOS"
                      : "the tokenizer has no BOS: the first token of a line is not scored";
  for (const std::string& line : read_samples(text)) {
    std::vector<int64_t> ids = tokenizer.encode(line, Special::kBos);
    if (static_cast<int64_t>(ids.size()) > context) ids.resize(context);
    if (ids.size() > 1) documents.ids.push_back(std::move(ids));
  }
  if (documents.ids.empty()) {
    throw bad_input("there is nothing to score: no line has a token to predict")
        .where("text", text.string());
  }
  return documents;
}

// The `text` of every row, joined by a blank line, empty ones too.
std::string join_rows(const std::string& bytes, const Path& text) {
  std::string joined;
  int64_t line_number = 0;
  bool first = true;
  std::istringstream lines(bytes);
  for (std::string line; std::getline(lines, line);) {
    ++line_number;
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    const std::string where = fmt::format("{}:{}", text.string(), line_number);
    const Json record = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!record.is_object()) throw bad_input("the row is not a JSON object").where("text", where);
    if (!first) joined += "\n\n";
    first = false;
    joined += require<std::string>(record, "text", where);
  }
  return joined;
}

// A text file is one document, byte for byte.
std::string read_document(const Path& text) {
  std::string bytes = read_file(text);
  return text.extension() == ".jsonl" ? join_rows(bytes, text) : bytes;
}

int64_t window_length(std::string_view protocol, const std::string& argument, int64_t context) {
  int64_t length = 0;
  const char* end = argument.data() + argument.size();
  const auto parsed = std::from_chars(argument.data(), end, length);
  if (parsed.ec != std::errc{} || parsed.ptr != end || length < 2) {
    throw usage_error("protocol {} needs a length of at least 2 tokens, got '{}'", protocol,
                      argument)
        .hint(fmt::format("{}:512", protocol));
  }
  if (length > context) {
    throw bad_input("a window of {} tokens is longer than the model's context of {}", length,
                    context)
        .hint(fmt::format("{}:{} or shorter", protocol, context));
  }
  return length;
}

Documents window_documents(const Path& text, const Tokenizer& tokenizer, int64_t length) {
  const std::vector<int64_t> ids = tokenizer.encode(read_document(text), Special::kDefault);
  const int64_t windows = static_cast<int64_t>(ids.size()) / length;
  if (windows == 0) {
    throw bad_input("the text has {} tokens, a window needs {}", ids.size(), length)
        .where("text", text.string());
  }
  Documents documents;
  documents.bos =
      "the tokenizer's own special tokens once, around the whole text; none added to windows";
  for (int64_t w = 0; w < windows; ++w) {
    documents.ids.emplace_back(ids.begin() + w * length, ids.begin() + (w + 1) * length);
  }
  return documents;
}

// Windows as llama.cpp's perplexity tool cuts them: each begins with BOS in place of its first
// token where the tokenizer adds one, and its second half is scored.
Documents half_window_documents(const Path& text, const Tokenizer& tokenizer, int64_t length) {
  Documents documents = window_documents(text, tokenizer, length);
  documents.first = length / 2 + 1;
  const std::vector<int64_t> empty = tokenizer.encode("", Special::kDefault);
  documents.bos = "the tokenizer adds no BOS: windows begin with their own first token";
  if (!tokenizer.bos() || empty.empty() || empty.front() != *tokenizer.bos()) return documents;
  documents.bos = "BOS in place of every window's first token";
  for (std::vector<int64_t>& ids : documents.ids) ids.front() = *tokenizer.bos();
  return documents;
}

enum class Average { kTokens, kDocuments };

PerplexityResult score(WeightLoader& weights, const Documents& documents, Average average,
                       Progress& progress) {
  const auto start = std::chrono::steady_clock::now();
  const ScoredSequences sums = score_sequences(weights, documents.ids, progress, documents.first);
  PerplexityResult result;
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  result.nll = average == Average::kDocuments
                   ? sums.mean_of_means
                   : sums.nll_sum / static_cast<double>(sums.scored_tokens);
  result.perplexity = std::exp(result.nll);
  result.scored_tokens = sums.scored_tokens;
  result.documents = static_cast<int64_t>(documents.ids.size());
  result.bos = documents.bos;
  return result;
}

PerplexityResult run_lines(WeightLoader& weights, const Tokenizer& tokenizer, const Path& text,
                           const std::string& argument, Progress& progress) {
  if (!argument.empty()) throw usage_error("protocol lines takes no argument, got '{}'", argument);
  const int64_t context = weights.model().config().context;
  return score(weights, line_documents(text, tokenizer, context), Average::kTokens, progress);
}

PerplexityResult run_windows(WeightLoader& weights, const Tokenizer& tokenizer, const Path& text,
                             const std::string& argument, Progress& progress) {
  const int64_t length = window_length("windows", argument, weights.model().config().context);
  return score(weights, window_documents(text, tokenizer, length), Average::kDocuments, progress);
}

PerplexityResult run_llama_cpp(WeightLoader& weights, const Tokenizer& tokenizer, const Path& text,
                               const std::string& argument, Progress& progress) {
  const int64_t length = window_length("llama.cpp", argument.empty() ? "512" : argument,
                                       weights.model().config().context);
  if (length < 4) throw usage_error("protocol llama.cpp needs windows of at least 4 tokens");
  return score(weights, half_window_documents(text, tokenizer, length), Average::kTokens, progress);
}

}  // namespace

std::span<const Protocol> all_protocols() {
  static const std::vector<Protocol> table = {
      {"lines", "every line a document with BOS and no EOS, cut at the context; mean over tokens",
       run_lines},
      {"windows", "windows:N, one document cut into disjoint windows of N tokens (GPTQ, Wanda)",
       run_windows},
      {"llama.cpp", "llama.cpp[:N], windows of N = 512 tokens, the second half of each scored",
       run_llama_cpp},
  };
  return table;
}

PerplexityResult evaluate_text(WeightLoader& weights, const Tokenizer& tokenizer, const Path& text,
                               std::string_view protocol, Progress& progress) {
  const size_t colon = protocol.find(':');
  const std::string name(protocol.substr(0, colon));
  const std::string argument(colon == std::string_view::npos ? "" : protocol.substr(colon + 1));
  const Protocol& row = find_by_name(all_protocols(), name, "protocol");
  PerplexityResult result = row.run(weights, tokenizer, text, argument, progress);
  result.protocol = std::string(protocol);
  result.dtype = dtype_name(weights.compute().dtype);
  result.text_sha256 = sha256(read_file(text));
  result.tokenizer_sha256 = tokenizer.fingerprint();
  return result;
}

Json to_json(const PerplexityResult& result) {
  return Json{{"protocol", result.protocol},
              {"perplexity", result.perplexity},
              {"nll", result.nll},
              {"scored_tokens", result.scored_tokens},
              {"documents", result.documents},
              {"bos", result.bos},
              {"dtype", result.dtype},
              {"text_sha256", result.text_sha256},
              {"tokenizer_sha256", result.tokenizer_sha256},
              {"seconds", result.seconds}};
}

}  // namespace mop
