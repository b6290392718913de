// report/table.h -- aligned text tables and readable quantities.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/amounts.h"  // the short ones

namespace mop {

/// 6738415616 -> "6,738,415,616".
std::string with_commas(int64_t number);
/// 0.3056 -> "30.56%".
std::string percent(double fraction);
/// Seconds as "8 s", "3 min 20 s", "2 h 5 min".
std::string duration(double seconds);

/// Number of terminal columns: one per UTF-8 character in use.
size_t shown_width(std::string_view text);

/// Rows of cells with a header. Columns are as wide as their widest cell; columns of numbers are
/// right-aligned.
class Table {
 public:
  explicit Table(std::vector<std::string> head);
  /// Throws Error(kInternal) if the number of cells differs from the header's.
  void add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  /// Returns plain text for a terminal; every line ends with a newline.
  std::string text() const;
  /// The same as a Markdown table.
  std::string markdown() const;
  const std::vector<std::string>& head() const { return head_; }
  const std::vector<std::vector<std::string>>& rows() const { return rows_; }

 private:
  std::vector<size_t> widths() const;
  std::vector<bool> numeric_columns() const;
  std::vector<std::string> head_;
  std::vector<std::vector<std::string>> rows_;
};

/// "name  value" lines with aligned values.
std::string facts(const std::vector<std::pair<std::string, std::string>>& lines);

}  // namespace mop
