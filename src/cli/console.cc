// cli/console.cc
#include "cli/console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "report/table.h"

namespace mop {
namespace {

size_t terminal_columns(std::FILE* stream) {
  struct winsize size {};
  return ::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

void tell(std::FILE* stream, std::string_view text) noexcept {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

Console::Console(std::FILE* stream, bool terminal) : stream_(stream), terminal_(terminal) {}
Console::~Console() { clear(); }

void Console::clear() {
  if (drawn_) std::fputs("\r\033[K", stream_);
  drawn_ = false;
}

void Console::note(std::string_view text) {
  clear();
  tell(stream_, fmt::format("{}\n", text));
  if (terminal_) draw(true);
}

void Console::warn(std::string_view text) { note(fmt::format("warning: {}", text)); }

void Console::begin(std::string_view what, int64_t total) {
  parts_.push_back({std::string(what), total, 0, 0, Clock::now()});
  draw(false);
}

void Console::advance(int64_t done) {
  if (parts_.empty()) return;
  Part& part = parts_.back();
  // What is there at once was done by an earlier run and says nothing about speed.
  if (part.done == 0 && Clock::now() - part.start < std::chrono::milliseconds(50))
    part.first = done;
  part.done = done;
  draw(false);
}

void Console::end() {
  if (!parts_.empty()) parts_.pop_back();
  if (parts_.empty()) clear();
}

// Progress of a part, what lies inside it included.
double Console::fraction(size_t index) const {
  const Part& part = parts_[index];
  if (part.total <= 0) return 0;
  const double inside = index + 1 < parts_.size() ? std::min(1.0, fraction(index + 1)) : 0;
  return (static_cast<double>(part.done) + inside) / static_cast<double>(part.total);
}

std::string Console::status() const {
  std::string text;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    text += i == 0 ? "" : ", ";
    if (part.what == "steps" && part.total > 0) {
      text += fmt::format("step {} of {}", std::min(part.done + 1, part.total), part.total);
    } else {
      text += part.total > 0
                  ? fmt::format("{} {:.0f}%", part.what, 100 * std::min(1.0, fraction(i)))
                  : part.what;
    }
  }
  const Part& whole = parts_.front();
  const double seconds = std::chrono::duration<double>(Clock::now() - whole.start).count();
  const double before = whole.total > 0 ? static_cast<double>(whole.first) / whole.total : 0;
  const double here = fraction(0) - before;
  if (here > 0.01 && seconds > 1) {
    text += ", about " + duration(seconds * (1 - before - here) / here) + " left";
  }
  return text;
}

void Console::draw(bool now) {
  if (parts_.empty()) return;
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000);
  const auto time = Clock::now();
  if (!now &&
      time - std::max(last_draw_, terminal_ ? Clock::time_point() : parts_.front().start) < pause)
    return;
  last_draw_ = time;
  if (!terminal_) {
    tell(stream_, status() + "\n");
  } else {
    tell(stream_, "\r\033[K" + status().substr(0, terminal_columns(stream_) - 1));
    drawn_ = true;
  }
}

}  // namespace mop
