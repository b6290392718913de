// base/error.cc
#include "base/error.h"

#include <algorithm>

namespace mop {

Error::Error(ErrorKind kind, std::string message) : kind_(kind), message_(std::move(message)) {
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
  where_.emplace_back(std::move(label), std::move(text));
  render();
  return std::move(*this);
}

Error&& Error::hint(std::string text) && {
  hint_ = std::move(text);
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
  if (!hint_.empty()) text_ += line("hint", hint_);
}

}  // namespace mop
