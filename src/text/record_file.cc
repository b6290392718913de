// text/record_file.cc
#include "text/record_file.h"

#include <algorithm>

#include "base/error.h"
#include "base/files.h"
#include "base/git_lfs.h"
#include "base/parse_json.h"
#include "text/parquet_rows.h"
#include "text/text_file.h"
#include "text/unicode.h"

namespace mop {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

bool is_blank(std::string_view line) {
  if (line.find_first_not_of(kBlanks) == line.npos) return true;
  for (size_t at = 0; at < line.size();) {
    const CodePoint c = code_point_at(line, at);
    if (!is_white_space(c.value)) return false;
    at += c.bytes;
  }
  return true;
}

// Returns the position after the closing quote of the JSON string that begins at `at`.
size_t end_of_string(std::string_view json, size_t at) {
  for (++at; at < json.size(); ++at) {
    if (json[at] == '\\') {
      ++at;
    } else if (json[at] == '"') {
      return at + 1;
    }
  }
  return json.npos;
}

// Returns the end of the list element that begins at `at`: its comma or the closing bracket.
// Considers brackets and strings only; the element itself is checked when it is parsed.
size_t end_of_element(std::string_view json, size_t at) {
  for (int64_t depth = 0; at < json.size();) {
    const char c = json[at];
    if (depth == 0 && (c == ',' || c == ']')) return at;
    if (c == '"') {
      at = end_of_string(json, at);
      continue;
    }
    if (c == '{' || c == '[') ++depth;
    if (c == '}' || c == ']') --depth;
    ++at;
  }
  return json.npos;
}

size_t skip_blanks(std::string_view json, size_t at) {
  return std::min(json.find_first_not_of(kBlanks, at), json.size());
}

// Returns whether the text from `at` is a single object over several lines with nothing after it.
bool is_one_object(std::string_view json, size_t at) {
  if (at == json.size() || json[at] != '{') return false;
  const size_t begin = at;
  int64_t depth = 0;
  while (at < json.size()) {
    if (json[at] == '"') {
      at = std::min(end_of_string(json, at), json.size());
      continue;
    }
    if (json[at] == '{' || json[at] == '[') ++depth;
    if ((json[at] == '}' || json[at] == ']') && --depth == 0) break;
    ++at;
  }
  return at < json.size() && skip_blanks(json, at + 1) == json.size() &&
         json.substr(begin, at - begin).find('\n') != json.npos;
}

}  // namespace

namespace {

std::string_view text_of(const MappedFile& file) {
  const auto bytes = file.bytes();
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

std::string_view RecordFile::content() const {
  return decoded_ ? std::string_view(*decoded_) : text_of(rows_ ? *rows_ : *file_);
}

RecordFile RecordFile::open(const std::filesystem::path& path) try {
  RecordFile made;
  made.file_ = MappedFile::open(path);
  const std::string extension = path.extension().string();
  if (extension != ".txt" && extension != ".jsonl" && extension != ".json" &&
      extension != ".parquet") {
    throw bad_input("samples cannot be read from a '{}' file", extension)
        .hint("known: .txt, .jsonl, .json, .parquet");
  }
  refuse_git_lfs_pointer(made.content());
  if (extension == ".parquet") {
    made.rows_ = parquet_json_lines(path);
  } else {
    made.decoded_ = decode_by_mark(made.content());
  }
  const std::string_view content = made.content();
  check_is_text(content);
  const size_t first = skip_blanks(content, utf8_mark(content));
  if (extension == ".txt" || extension == ".parquet") {
    if (extension == ".parquet") made.layout_ = Layout::kRows;
    made.find_lines(content);
  } else if (first < content.size() && content[first] == '[') {
    made.layout_ = Layout::kJsonList;
    made.find_elements(content);
  } else if (is_one_object(content, first)) {
    made.layout_ = Layout::kJsonList;
    made.records_.push_back({first, content.size(), 1});
  } else {
    made.layout_ = Layout::kJsonLines;
    made.find_lines(content);
  }
  check_mappings();
  if (made.records_.empty())
    throw bad_input("the file holds no samples")
        .hint("a .txt has a sample a line, a .jsonl or .json a record a line or one list of them");
  return made;
} catch (Error& e) {
  check_mappings();  // a file that shrank reads as zeros
  if (e.kind() != ErrorKind::kBadInput) throw;
  throw std::move(e).where("file", path.string());
}

void RecordFile::find_lines(std::string_view content) {
  size_t begin = utf8_mark(content);
  for (int64_t number = 1; begin < content.size(); ++number) {
    const size_t next = std::min(content.find('\n', begin), content.size());
    const size_t end = next > begin && content[next - 1] == '\r' ? next - 1 : next;
    if (!is_blank(content.substr(begin, end - begin))) records_.push_back({begin, end, number});
    begin = next + 1;
  }
}

void RecordFile::find_elements(std::string_view content) {
  size_t at = skip_blanks(content, content.find('[') + 1);
  bool closed = at < content.size() && content[at] == ']';
  while (!closed && at < content.size()) {
    const size_t end = end_of_element(content, at);
    if (end == content.npos || end == at) break;
    records_.push_back({at, end, size() + 1});
    closed = content[end] == ']';
    at = closed ? end : skip_blanks(content, end + 1);
  }
  if (closed && skip_blanks(content, at + 1) == content.size()) return;
  // The parser gives a better message.
  throw internal_error("a list of {} records was not understood", parse_json(content).size());
}

std::string_view RecordFile::bytes(int64_t record) const {
  const Span& span = records_.at(static_cast<size_t>(record));
  return content().substr(span.begin, span.end - span.begin);
}

std::string RecordFile::text(int64_t record) const { return std::string(bytes(record)); }

Json RecordFile::json(int64_t record) const {
  try {
    return parse_json(bytes(record), where(record) + " is not valid JSON");
  } catch (Error& e) {
    throw std::move(e).hint(
        "a .jsonl or .json has a record a line, or is one list of records, or one record");
  }
}

int64_t RecordFile::number(int64_t record) const {
  return records_.at(static_cast<size_t>(record)).number;
}

std::string RecordFile::where(int64_t record) const {
  const char* unit = layout_ == Layout::kJsonList ? "record"
                     : layout_ == Layout::kRows   ? "row"
                                                  : "line";
  return fmt::format("{} {}", unit, number(record));
}

std::string RecordFile::sha256() const { return mop::sha256(text_of(*file_)); }

}  // namespace mop
