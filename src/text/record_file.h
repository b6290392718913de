// text/record_file.h -- the samples of a text file by number, without holding the file: it is
// mapped, and only where each record stands is remembered.
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

/// `.txt`: one record a line, "\n" or "\r\n"; lines of white space alone are left out. `.jsonl` and
/// `.json`: one JSON value a line, or one list whose elements are the records, or one object over
/// several lines, which is the only record. `.parquet`: its rows as JSON values
/// (text/parquet_rows.h). Text is UTF-8, or UTF-16 and UTF-32 with a byte order mark
/// (text/text_file.h).
class RecordFile {
 public:
  /// Throws Error(kIo) when the file cannot be read, Error(kBadInput) naming it when it holds no
  /// records, is of an unknown kind, is not text, or is a list that is not JSON.
  static RecordFile open(const std::filesystem::path& path);

  const std::filesystem::path& path() const { return file_->path(); }
  int64_t size() const { return static_cast<int64_t>(records_.size()); }
  /// Plain text: a record is a line. Otherwise it is JSON.
  bool is_text() const { return layout_ == Layout::kText; }
  std::string_view bytes(int64_t record) const;
  /// A line of a plain text.
  std::string text(int64_t record) const;
  /// Throws Error(kBadInput) saying which line or record is not JSON.
  Json json(int64_t record) const;
  /// The record's number as people count it: of its line, or in its list; from 1.
  int64_t number(int64_t record) const;
  /// "line 12", "record 12" or "row 12".
  std::string where(int64_t record) const;
  /// Of the file's bytes.
  std::string sha256() const;

 private:
  enum class Layout { kText, kJsonLines, kJsonList, kRows };
  struct Span {
    size_t begin, end;
    int64_t number;  ///< as `number` says
  };
  std::string_view content() const;
  void find_lines(std::string_view content);
  void find_elements(std::string_view content);

  std::shared_ptr<const MappedFile> file_;
  std::shared_ptr<const MappedFile> rows_;  ///< of a Parquet file, as JSON lines
  std::optional<std::string> decoded_;      ///< the file's text where that is not its bytes
  Layout layout_ = Layout::kText;
  std::vector<Span> records_;
};

}  // namespace mop
