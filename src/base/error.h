// base/error.h -- the only exception type the library throws: what is wrong, where, and what to do.
#pragma once
#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace mop {

/// Sets the exit code: kUsage is 2, kInterrupted 130/143, everything else 1.
enum class ErrorKind { kUsage, kBadInput, kIo, kInterrupted, kInternal };

/// `what()` is the whole text as the user sees it:
///   <subject, expected, got>
///     <label>: <where>
///     hint:  <what to do>
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message);

  Error(const Error&) = default;
  Error(Error&&) = default;
  Error& operator=(const Error&) = default;
  /// Safe for self-assignment: loops add lines with `error = std::move(error).where(...)`.
  Error& operator=(Error&& other) noexcept;

  /// Adds a line that says where: `.where("plan", path)`.
  Error&& where(std::string label, std::string text) &&;
  /// Sets the line that says what to do.
  Error&& hint(std::string text) &&;

  ErrorKind kind() const { return kind_; }
  /// The first line only.
  const std::string& message() const { return message_; }
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  void render();
  ErrorKind kind_;
  std::string message_;
  std::vector<std::pair<std::string, std::string>> where_;
  size_t left_out_ = 0;  ///< lines omitted from the list at the end of `where_`
  std::string hint_;
  std::string text_;
};

/// Returns an Error to throw; where() and hint() can be added: `bad_input("layer {} has {} heads",
/// i, n)`.
template <typename... Args>
Error bad_input(fmt::format_string<Args...> text, Args&&... args) {
  return Error(ErrorKind::kBadInput, fmt::format(text, std::forward<Args>(args)...));
}
template <typename... Args>
Error usage_error(fmt::format_string<Args...> text, Args&&... args) {
  return Error(ErrorKind::kUsage, fmt::format(text, std::forward<Args>(args)...));
}
template <typename... Args>
Error io_error(fmt::format_string<Args...> text, Args&&... args) {
  return Error(ErrorKind::kIo, fmt::format(text, std::forward<Args>(args)...));
}
/// A violated invariant of the program: always a bug, never a mistake of the user.
template <typename... Args>
Error internal_error(fmt::format_string<Args...> text, Args&&... args) {
  return Error(ErrorKind::kInternal, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace mop
