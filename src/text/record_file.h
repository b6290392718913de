// text/record_file.h -- random access to the records of a file. The file is mapped; only the
// positions of the records are kept in memory.
#pragma once
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "tensor/mapped_file.h"

namespace mop {

/// `.txt`: one record per line, "\n" or "\r\n"; lines of white space are skipped. `.jsonl` and
/// `.json`: one JSON value per line, or one list whose elements are the records, or one object over
/// several lines as the only record. `.parquet`: its rows as JSON values (text/parquet_rows.h).
/// Text is UTF-8, or UTF-16 or UTF-32 with a byte order mark (text/text_file.h).
class RecordFile {
 public:
  /// Throws Error(kIo) when the file cannot be read, Error(kBadInput) naming it when it has no
  /// records, an unknown extension, is not text, or is a list that is not JSON.
  static RecordFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_->path(); }
  int64_t size() const { return static_cast<int64_t>(records_.size()); }
  /// Whether records are lines of plain text; otherwise they are JSON.
  bool is_text() const { return layout_ == Layout::kText; }
  std::string_view bytes(int64_t record) const;
  /// Returns a line of a plain text.
  std::string text(int64_t record) const;
  /// Throws Error(kBadInput) naming the line or record that is not JSON.
  Json json(int64_t record) const;
  /// Returns the number of the record's line, or its position in the list, from 1.
  int64_t number(int64_t record) const;
  /// Returns "line 12", "record 12" or "row 12".
  std::string where(int64_t record) const;
  /// SHA-256 of the file.
  std::string sha256() const;

 private:
  enum class Layout { kText, kJsonLines, kJsonList, kRows };
  struct Span {
    size_t begin, end;
    int64_t number;  ///< see number()
  };
  std::string_view content() const;
  void find_lines(std::string_view content);
  void find_elements(std::string_view content);

  std::shared_ptr<const MappedFile> file_;
  std::shared_ptr<const MappedFile> rows_;  ///< of a Parquet file, as JSON lines
  std::optional<std::string> decoded_;  ///< the text as UTF-8 when the file has another encoding
  Layout layout_ = Layout::kText;
  std::vector<Span> records_;
};

}  // namespace mop
