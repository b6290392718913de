// base/error.cc
#include "base/error.h"

#include <algorithm>

#include "base/plain_text.h"

namespace mop {

namespace {

// Errors quote files and servers, whose text can have any content and length.
constexpr size_t kLongestLine = 4000, kLongestPart = 16000, kLongestText = 256 << 10;
constexpr size_t kMostLines = 2000;

std::string shown(std::string_view text, size_t most) { return plain_block(shortened(text, most)); }

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
  // A long list ends in the number of omitted lines; lines with other labels still follow it.
  const size_t lines = where_.size();
  if (lines >= kMostLines && where_[lines - 1].first == label && where_[lines - 2].first == label) {
    std::string& last = where_.back().second;
    // Counts the last listed line too, which this line replaces.
    left_out_ += left_out_ == 0 ? 2 : 1;
    const std::string now = fmt::format("and further ones: {}", left_out_);
    const bool at_end = text_.ends_with(last);
    if (at_end) text_.replace(text_.size() - last.size(), last.size(), now);
    last = now;
    if (at_end)
      return std::move(*this);  // rendering the whole text for each line would be quadratic
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
