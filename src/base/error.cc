// base/error.cc
#include "base/error.h"

#include <algorithm>

#include "base/plain_text.h"

namespace mop {

namespace {

// Texts of files and servers stand in errors: they may hold anything, and any amount of it.
constexpr size_t kLongestLine = 4000, kLongestPart = 16000, kLongestText = 256 << 10;
constexpr size_t kMostLines = 2000;

// Lines after the first are indented so far that none looks like a line of ours.
std::string shown(std::string_view text, size_t most) {
  std::string out;
  for (const char c : plain_text(shortened(text, most))) {
    out += c;
    if (c == '\n') out += "    ";
  }
  return out;
}

}  // namespace

Error::Error(ErrorKind kind, std::string message)
    : kind_(kind), message_(shown(message, kLongestLine)) {
  render();
}

Error& Error::operator=(Error&& other) noexcept {
  if (this != &other) {
    Error copy(std::move(other));
    kind_ = copy.kind_;
    message_.swap(copy.message_);
    where_.swap(copy.where_);
    hint_.swap(copy.hint_);
    text_.swap(copy.text_);
  }
  return *this;
}

Error&& Error::where(std::string label, std::string text) && {
  // Lists end in how much of them is left out; what says where they stand still follows.
  const size_t lines = where_.size();
  if (lines >= kMostLines && where_[lines - 1].first == label && where_[lines - 2].first == label) {
    std::string& last = where_.back().second;
    left_out_ += left_out_ == 0 ? 2 : 1;  // the first stands in the place of a line
    const std::string now = fmt::format("and further ones: {}", left_out_);
    const bool at_end = text_.ends_with(last);
    if (at_end) text_.replace(text_.size() - last.size(), last.size(), now);
    last = now;
    if (at_end) return std::move(*this);  // rendering anew for each would be quadratic
  } else {
    left_out_ = 0;
    where_.emplace_back(shown(label, kLongestLine), shown(text, kLongestPart));
  }
  render();
  return std::move(*this);
}

Error&& Error::hint(std::string text) && {
  hint_ = shown(text, kLongestPart);
  render();
  return std::move(*this);
}

void Error::render() {
  size_t width = hint_.empty() ? 0 : 4;
  for (const auto& [label, text] : where_) width = std::max(width, label.size());
  const auto line = [width](const std::string& label, const std::string& text) {
    return fmt::format("\n  {:<{}} {}", label + ":", width + 1, text);
  };
  text_ = message_;
  for (const auto& [label, text] : where_) text_ += line(label, text);
  text_ = shortened(text_, kLongestText);
  if (!hint_.empty()) text_ += line("hint", hint_);
}

}  // namespace mop
