// report/table.cc
#include "report/table.h"

#include <algorithm>
#include <cmath>

#include "base/error.h"
#include "base/utf8.h"

namespace mop {
namespace {

std::string padded(const std::string& text, size_t width, bool right) {
  const std::string blank(width - std::min(width, shown_width(text)), ' ');
  return right ? blank + text : text + blank;
}

bool looks_numeric(const std::string& cell) {
  return cell.find_first_not_of("0123456789.,%+-") == cell.npos;
}

}  // namespace

size_t shown_width(std::string_view text) {
  return static_cast<size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return !continues_letter(c); }));
}

std::string with_commas(int64_t number) {
  std::string digits = std::to_string(number);
  const size_t first = number < 0 ? 1 : 0;
  for (size_t i = digits.size(); i > first + 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string percent(double fraction) { return fmt::format("{:.2f}%", 100 * fraction); }

std::string duration(double seconds) {
  const auto whole = static_cast<int64_t>(std::llround(seconds));
  if (whole < 60) return fmt::format("{} s", whole);
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole / 60 % 60);
}

Table::Table(std::vector<std::string> head) : head_(std::move(head)) {}

void Table::add(std::vector<std::string> cells) {
  if (cells.size() != head_.size()) {
    throw internal_error("a row of {} cells under a head of {}", cells.size(), head_.size());
  }
  rows_.push_back(std::move(cells));
}

std::vector<size_t> Table::widths() const {
  std::vector<size_t> widths;
  for (size_t column = 0; column < head_.size(); ++column) {
    size_t width = shown_width(head_[column]);
    for (const auto& row : rows_) width = std::max(width, shown_width(row[column]));
    widths.push_back(width);
  }
  return widths;
}

std::vector<bool> Table::numeric_columns() const {
  std::vector<bool> numeric(head_.size(), !rows_.empty());
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) numeric[i] = numeric[i] && looks_numeric(row[i]);
  }
  return numeric;
}

std::string Table::text() const {
  const std::vector<size_t> width = widths();
  const std::vector<bool> numeric = numeric_columns();
  const auto line = [&](const std::vector<std::string>& cells) {
    std::string out;
    for (size_t i = 0; i < cells.size(); ++i) {
      out += (i == 0 ? "" : "  ") + padded(cells[i], width[i], numeric[i]);
    }
    return out.substr(0, out.find_last_not_of(' ') + 1) + "\n";
  };
  std::string out = line(head_);
  for (const auto& row : rows_) out += line(row);
  return out;
}

std::string Table::markdown() const {
  const std::vector<bool> numeric = numeric_columns();
  const auto line = [](const std::vector<std::string>& cells) {
    std::string out = "|";
    for (const std::string& cell : cells) out += " " + cell + " |";
    return out + "\n";
  };
  std::string rule = "|";
  for (const bool right : numeric) rule += right ? "---:|" : "---|";
  std::string out = line(head_) + rule + "\n";
  for (const auto& row : rows_) out += line(row);
  return out;
}

std::string facts(const std::vector<std::pair<std::string, std::string>>& lines) {
  size_t width = 0;
  for (const auto& [name, value] : lines) width = std::max(width, shown_width(name));
  std::string out;
  for (const auto& [name, value] : lines) out += padded(name, width, false) + "  " + value + "\n";
  return out;
}

}  // namespace mop
