// eval/protocols.cc -- the table of protocols.
#include "eval/protocols.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "base/named_table.h"
#include "base/parse_json.h"
#include "eval/tasks/encode.h"
#include "text/record_file.h"
#include "text/samples.h"
#include "text/text_file.h"

namespace mop {
namespace {

using Path = std::filesystem::path;

// Scores all tokens except the first `first`.
TokenRequest scored_from(std::vector<int64_t> ids, int64_t first) {
  const int64_t scored = static_cast<int64_t>(ids.size()) - first;
  return {std::move(ids), scored};
}

// Returns the number of documents to score.
size_t within(int64_t limit, size_t documents) {
  return limit > 0 ? std::min(documents, static_cast<size_t>(limit)) : documents;
}

ScoredText read_lines(const ProtocolInput& in) {
  if (!in.argument.empty())
    throw usage_error("protocol lines takes no argument, got '{}'", in.argument);
  ScoredText scored;
  scored.bos = in.tokenizer.bos()
                   ? "BOS before every line, no EOS"
                   : "the tokenizer has no BOS: the first token of a line is not scored";
  scored.texts = read_samples(in.text);
  const size_t taken = within(in.limit, scored.texts.size());
  scored.left_out = static_cast<int64_t>(scored.texts.size() - taken);
  scored.texts.resize(taken);
  for (const std::string& line : scored.texts) {
    std::vector<int64_t> ids = in.tokenizer.encode(line, Special::kBos);
    if (std::ssize(ids) > in.context.tokens) {
      ++scored.cut_documents;
      scored.cut_tokens += std::ssize(ids) - in.context.tokens;
      ids.resize(static_cast<size_t>(in.context.tokens));
    }
    if (ids.size() > 1) scored.sequences.push_back(scored_from(std::move(ids), 1));
  }
  if (scored.sequences.empty()) {
    throw bad_input("there is nothing to score: no line has a token to predict")
        .where("text", in.text.string());
  }
  return scored;
}

bool has_rows(const Path& text) {
  return text.extension() == ".jsonl" || text.extension() == ".json" ||
         text.extension() == ".parquet";
}

// Calls use(record, where) for every row of a file with rows.
template <typename Use>
void for_each_row(const Path& text, Use use) {
  const RecordFile rows = RecordFile::open(text);
  for (int64_t row = 0; row < rows.size(); ++row) {
    const std::string where = fmt::format("{}:{}", text.string(), rows.number(row));
    const Json record = try_parse_json(rows.bytes(row)).value_or(Json());
    if (!record.is_object()) throw bad_input("the row is not a JSON object").where("text", where);
    use(record, where);
  }
  check_mappings();
}

// Returns the whole text of a file, unchanged. The `text` fields of rows, including empty ones, are
// joined by a blank line.
std::string read_document(const Path& text) {
  if (!has_rows(text)) return read_text(text);
  std::string joined;
  bool first = true;
  for_each_row(text, [&](const Json& record, const std::string& where) {
    if (!first) joined += "\n\n";
    first = false;
    joined += require<std::string>(record, "text", where);
  });
  return joined;
}

const Option<int64_t> kWindow = {.name = "length",
                                 .unset = "must be given",
                                 .range = at_least(2),
                                 .help = "tokens per window: windows:2048"};
const Option<int64_t> kLlamaCppWindow = {.name = "length",
                                         .default_value = 512,
                                         .range = at_least(4),
                                         .help = "tokens per window: llama.cpp:512"};
const Option<std::string> kBos = {.name = "bos",
                                  .default_value = "auto",
                                  .range = one_of({"auto", "always", "never"}),
                                  .help = "whether a page begins with BOS: word:always"};

int64_t window_length(std::string_view protocol, const ProtocolInput& in,
                      const Option<int64_t>& option) {
  int64_t length = option.default_value.value_or(0);
  const char* end = in.argument.data() + in.argument.size();
  const bool given = !in.argument.empty() || !option.default_value;
  const auto parsed = std::from_chars(in.argument.data(), end, length);
  const auto least = static_cast<int64_t>(option.range.least);
  if (given && (parsed.ec != std::errc{} || parsed.ptr != end || length < least)) {
    throw usage_error("protocol {} needs a length of at least {} tokens, got '{}'", protocol, least,
                      in.argument)
        .hint(fmt::format("{}:512", protocol));
  }
  if (length > in.context.longest) {
    throw bad_input("a window of {} tokens is longer than the model's context of {}", length,
                    in.context.longest)
        .hint(fmt::format("{}:{} or shorter", protocol, in.context.longest));
  }
  return length;
}

// Splits the text into disjoint windows of `length` tokens and scores each window from position
// `first` on.
ScoredText cut_windows(const ProtocolInput& in, int64_t length, int64_t first) {
  ScoredText scored;
  scored.texts = {read_document(in.text)};
  std::vector<int64_t> ids = in.tokenizer.encode(scored.texts.front(), Special::kDefault);
  const size_t windows = ids.size() / static_cast<size_t>(length);
  if (windows == 0) {
    throw bad_input("the text has {} tokens, a window needs {}", ids.size(), length)
        .where("text", in.text.string());
  }
  const size_t taken = within(in.limit, windows);
  scored.left_out = static_cast<int64_t>(windows - taken);
  if (taken < windows) {
    ids.resize(taken * static_cast<size_t>(length));
    scored.texts = {in.tokenizer.decode(ids, /*skip_special=*/true)};
  }
  for (auto begin = ids.begin(); ids.end() - begin >= length; begin += length) {
    scored.sequences.push_back(scored_from({begin, begin + length}, first));
  }
  return scored;
}

ScoredText read_windows(const ProtocolInput& in) {
  ScoredText scored = cut_windows(in, window_length("windows", in, kWindow), 1);
  scored.mean = NllMean::kDocuments;
  scored.bos =
      "the tokenizer's own special tokens once, around the whole text; none added to windows";
  return scored;
}

// Windows as in llama.cpp's perplexity tool: if the tokenizer adds BOS, it replaces the first token
// of each window; the second half is scored.
ScoredText read_llama_cpp(const ProtocolInput& in) {
  const Tokenizer& tokenizer = in.tokenizer;
  const int64_t length = window_length("llama.cpp", in, kLlamaCppWindow);
  ScoredText scored = cut_windows(in, length, length / 2 + 1);
  const std::vector<int64_t> empty = tokenizer.encode("", Special::kDefault);
  scored.bos = "the tokenizer adds no BOS: windows begin with their own first token";
  if (!tokenizer.bos() || empty.empty() || empty.front() != *tokenizer.bos()) return scored;
  scored.bos = "BOS in place of every window's first token";
  for (TokenRequest& window : scored.sequences) window.ids.front() = *tokenizer.bos();
  return scored;
}

// The pages of the wikitext task as one text, with the windows of each page in order.
ScoredText read_word(const ProtocolInput& in) {
  const Path& text = in.text;
  const BosRule rule = parse_bos_rule(in.argument.empty() ? *kBos.default_value : in.argument);
  if (!has_rows(text)) {
    throw bad_input(
        "protocol word counts the words of WikiText pages, which a '{}' file does not "
        "hold apart",
        text.extension().string())
        .where("text", text.string())
        .hint(
            "give a .jsonl or .parquet file with a `page` in every row, or take windows:N for a "
            "plain text");
  }
  const RequestEncoder encoder(in.tokenizer, rule, in.context.tokens);
  ScoredText scored;
  scored.mean = NllMean::kWords;
  scored.bos = bos_in_words(rule) + "; each page is scored from behind BOS";
  for_each_row(text, [&](const Json& record, const std::string& where) {
    TaskItem page = read_wikitext(record, where);
    if (in.limit > 0 && scored.documents == in.limit) {
      ++scored.left_out;
      return;
    }
    ++scored.documents;
    scored.words += page.words;
    scored.bytes += page.bytes;
    for (TokenRequest& window : encoder.encode(page, TaskKind::kRolling)) {
      scored.sequences.push_back(std::move(window));
    }
    scored.texts.push_back(std::move(page.requests.front().continuation));
  });
  if (scored.sequences.empty()) {
    throw bad_input("there is nothing to score: no page holds a token")
        .where("text", text.string());
  }
  return scored;
}

}  // namespace

std::span<const Protocol> all_protocols() {
  static const std::vector<Protocol> table = {
      {.name = "lines",
       .summary = "every line a document with BOS and no EOS, cut at the context; mean over tokens",
       .read = read_lines,
       .source = "MoP, arXiv 2602.06127, released scripts"},
      {.name = "windows",
       .summary = "windows:N, one document cut into disjoint windows of N tokens (GPTQ, Wanda)",
       .read = read_windows,
       .source = "GPTQ, arXiv 2210.17323, released code",
       .options = {kWindow}},
      {.name = "word",
       .summary =
           "word[:auto|always|never], WikiText pages (jsonl with `page`): perplexity by words and "
           "bytes (lm-evaluation-harness; the BOS rule)",
       .read = read_word,
       .source = "lm-evaluation-harness, task wikitext version 2",
       .options = {kBos}},
      {.name = "llama.cpp",
       .summary = "llama.cpp[:N], windows of N = 512 tokens, the second half of each scored",
       .read = read_llama_cpp,
       .source = "llama.cpp, llama-perplexity",
       .options = {kLlamaCppWindow}},
  };
  return table;
}

ScoredText read_scored_text(const Path& text, const Tokenizer& tokenizer, std::string_view protocol,
                            TextContext context, int64_t limit) {
  const size_t colon = protocol.find(':');
  const std::string name(protocol.substr(0, colon));
  const std::string argument(colon == std::string_view::npos ? "" : protocol.substr(colon + 1));
  const Protocol& row = find_by_name(all_protocols(), name, "protocol");
  ScoredText scored = row.read({text, tokenizer, argument, context, limit});
  scored.protocol = std::string(protocol);
  scored.limit = limit;
  if (scored.documents == 0) scored.documents = static_cast<int64_t>(scored.sequences.size());
  scored.text_sha256 = sha256(read_file(text));
  scored.tokenizer_sha256 = tokenizer.fingerprint();
  return scored;
}

}  // namespace mop
