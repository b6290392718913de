// cli/console.cc
#include "cli/console.h"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <utility>

#include "base/plain_text.h"
#include "report/table.h"

namespace mop {
namespace {

constexpr size_t kLongestNote = 4000;

size_t terminal_columns(std::FILE* stream) {
  struct winsize size {};
  return ::ioctl(::fileno(stream), TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

}  // namespace

void write_ignoring_errors(std::FILE* stream, std::string_view text) noexcept {
  std::fwrite(text.data(), 1, text.size(), stream);
  std::fflush(stream);
}

Console::Console(std::FILE* stream, bool terminal, Now now)
    : stream_(stream), terminal_(terminal), now_(std::move(now)) {}
Console::~Console() { clear(); }

void Console::clear() {
  if (drawn_) std::fputs("\r\033[K", stream_);
  drawn_ = false;
}

void Console::note(std::string_view text) {
  clear();
  write_ignoring_errors(stream_, fmt::format("{}\n", plain_text(shortened(text, kLongestNote))));
  if (terminal_) draw(true);
}

void Console::warn(std::string_view text) { note(fmt::format("warning: {}", text)); }

void Console::begin(std::string_view what, int64_t total) {
  parts_.push_back({std::string(what), total, {}, now_()});
  draw(false);
}

void Console::begin_steps(std::span<const StepCosts> costs) {
  parts_.push_back({"steps", std::ssize(costs), {costs.begin(), costs.end()}, now_()});
  draw(false);
}

void Console::advance(int64_t done) {
  if (parts_.empty()) return;
  Part& part = parts_.back();
  // Units reported immediately were done by an earlier run and must not count for the speed.
  if (part.done == 0 && part.ended == 0 && now_() - part.start < std::chrono::milliseconds(50))
    part.first = done;
  part.done = done;
  part.ended = 0;
  draw(false);
}

void Console::end() {
  if (!parts_.empty()) parts_.pop_back();
  if (parts_.empty()) {
    clear();
  } else {
    ++parts_.back().ended;
  }
}

namespace {

// Returns the cost of the first `parts` parts of a step.
double cost_of(const StepCosts& step, size_t parts) {
  const auto end = step.begin() + static_cast<ptrdiff_t>(std::min(parts, step.size()));
  return std::accumulate(step.begin(), end, 0.0);
}

// Returns the cost of the units before `units`. Units beyond the announced ones cost as much as the
// last.
double cost_before(const std::vector<StepCosts>& costs, int64_t units) {
  if (costs.empty()) return static_cast<double>(units);
  double sum = 0;
  for (int64_t i = 0; i < units; ++i) {
    const StepCosts& step = costs[static_cast<size_t>(std::min(i, std::ssize(costs) - 1))];
    sum += cost_of(step, step.size());
  }
  return sum;
}

}  // namespace

// Returns the cost so far, including finished parts of the current unit.
double Console::spent(size_t index) const {
  const Part& part = parts_[index];
  const double before = cost_before(part.costs, part.done);
  const double unit = cost_before(part.costs, part.done + 1) - before;
  const double inside = index + 1 < parts_.size() ? fraction(index + 1) : 0;
  if (part.costs.empty()) return before + inside * unit;
  const StepCosts& step =
      part.costs[static_cast<size_t>(std::min(part.done, std::ssize(part.costs) - 1))];
  const double ended = cost_of(step, part.ended);
  return before + ended + inside * (cost_of(step, part.ended + 1) - ended);
}

// Returns the total cost. The announced number of steps can be an estimate that is too low.
double Console::expected(size_t index) const {
  const Part& part = parts_[index];
  const bool unfinished = index + 1 < parts_.size() || part.ended > 0;
  return cost_before(part.costs, std::max(part.total, part.done + (unfinished ? 1 : 0)));
}

double Console::fraction(size_t index) const {
  const double whole = parts_[index].total > 0 ? expected(index) : 0;
  return whole > 0 ? std::clamp(spent(index) / whole, 0.0, 1.0) : 0;
}

// Estimates from the speed since the outermost part began; empty when there is too little data.
std::string Console::time_left() const {
  const Part& whole = parts_.front();
  if (whole.total <= 0) return "";
  const double seconds = std::chrono::duration<double>(now_() - whole.start).count();
  const double here = spent(0) - cost_before(whole.costs, whole.first);
  if (here <= 0.01 * expected(0) || seconds <= 1) return "";
  return fmt::format(", about {} left", duration(seconds * (expected(0) - spent(0)) / here));
}

std::string Console::status() const {
  std::string text;
  for (size_t i = 0; i < parts_.size(); ++i) {
    const Part& part = parts_[i];
    text += i == 0 ? "" : ", ";
    if (part.what == "steps" && part.total > 0) {
      const bool more = part.done >= part.total && i + 1 < parts_.size();
      text += more ? fmt::format("step {}", part.done + 1)
                   : fmt::format("step {} of {}", std::min(part.done + 1, part.total), part.total);
    } else {
      text += part.total > 0 ? fmt::format("{} {:.0f}%", part.what, 100 * fraction(i)) : part.what;
    }
  }
  return plain_text(text) + time_left();
}

void Console::draw(bool now) {
  if (parts_.empty()) return;
  const auto pause = terminal_ ? std::chrono::milliseconds(100) : std::chrono::milliseconds(10000);
  const auto time = now_();
  if (!now &&
      time - std::max(last_draw_, terminal_ ? Clock::time_point() : parts_.front().start) < pause)
    return;
  last_draw_ = time;
  if (!terminal_) {
    write_ignoring_errors(stream_, status() + "\n");
  } else {
    write_ignoring_errors(stream_, "\r\033[K" + status().substr(0, terminal_columns(stream_) - 1));
    drawn_ = true;
  }
}

}  // namespace mop
