// base/error.h -- the one kind of error the library throws: what is wrong, where, and what to do.
#pragma once
#include <fmt/core.h>

#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace mop {

/// Decides the exit code: kUsage is 2, kInterrupted 130/143, everything else 1.
enum class ErrorKind { kUsage, kBadInput, kIo, kInterrupted, kInternal };

/// One clear error. `what()` is the whole text as the user sees it:
///   <subject, expected, got>
///     <label>: <where>
///     hint:  <what to do>
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message);

  Error(const Error&) = default;
  Error(Error&&) = default;
  Error& operator=(const Error&) = default;
  /// Also from itself: `error = std::move(error).where(...)` is how lines are added in a loop.
  Error& operator=(Error&& other) noexcept;

  /// Adds a line saying where: `.where("plan", path)`.
  Error&& where(std::string label, std::string text) &&;
  /// Adds the line that says what to do.
  Error&& hint(std::string text) &&;

  ErrorKind kind() const { return kind_; }
  /// The first line alone.
  const std::string& message() const { return message_; }
  const char* what() const noexcept override { return text_.c_str(); }

 private:
  void render();
  ErrorKind kind_;
  std::string message_;
  std::vector<std::pair<std::string, std::string>> where_;
  size_t left_out_ = 0;  ///< of the list at the end of `where_`
  std::string hint_;
  std::string text_;
};

/// `bad_input("layer {} has {} heads", i, n)`: an Error to throw, to which where/hint can be added.
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
/// A broken promise inside the program itself: our bug, never the user's.
template <typename... Args>
Error internal_error(fmt::format_string<Args...> text, Args&&... args) {
  return Error(ErrorKind::kInternal, fmt::format(text, std::forward<Args>(args)...));
}

}  // namespace mop
