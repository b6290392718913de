// text/jinja/work.cc
#include "text/jinja/work.h"

#include "base/error.h"
#include "base/progress.h"
#include "text/jinja/value.h"

namespace mop::jinja {
namespace {

thread_local Work* current = nullptr;

const char* stack_now() { return static_cast<const char*>(__builtin_frame_address(0)); }

}  // namespace

Work::Work() : outer_(current), stack_(stack_now()) { current = this; }

// Clears the members of each object first: destroying a long chain would recurse deeply, and a
// cycle would leak.
Work::~Work() {
  for (const auto& object : kept_) object->clear();
  current = outer_;
}

void Work::step() {
  if (current == nullptr) return;
  steps(1);
  const char* here = stack_now();
  const auto used =
      static_cast<size_t>(here < current->stack_ ? current->stack_ - here : here - current->stack_);
  if (used > kMostStack) throw bad_input("the template's parts are nested too deep");
}

void Work::steps(size_t count) {
  if (current == nullptr) return;
  const bool fits = count <= static_cast<size_t>(kMostSteps);
  if (fits) current->steps_ += static_cast<int64_t>(count);
  if (!fits || current->steps_ > kMostSteps)
    throw bad_input("the template takes more than {} steps", kMostSteps);
  if (current->steps_ < current->next_look_) return;
  constexpr int64_t kStepsBetweenLooks = 1024;
  current->next_look_ = current->steps_ + kStepsBetweenLooks;
  check_stop();
}

void Work::spend_bytes(size_t bytes) {
  const bool fits = bytes <= static_cast<size_t>(kMostBytes);
  if (fits) current->bytes_ += static_cast<int64_t>(bytes);
  if (!fits || current->bytes_ > kMostBytes)
    throw bad_input("the template makes more than {} MiB of texts and lists", kMostBytes >> 20);
}

void Work::make_text(size_t bytes) {
  if (current == nullptr) return;
  constexpr size_t kOfSharedText = 64;  // what a shared text takes beside its bytes
  check_length(bytes);
  spend_bytes(bytes <= kTextInPlace ? bytes : bytes + kOfSharedText);
}

void Work::make_elements(size_t count) {
  if (current == nullptr) return;
  steps(count / 16);
  spend_bytes(count > static_cast<size_t>(kMostBytes) ? count : count * sizeof(Value));
}

void Work::check_length(size_t bytes) {
  if (current == nullptr || bytes <= kLongestText) return;
  throw bad_input("the template makes a text of more than {} MiB", kLongestText >> 20);
}

void Work::check_elements(size_t count) {
  if (current != nullptr && count > static_cast<size_t>(kMostBytes) / sizeof(Value))
    spend_bytes(count * sizeof(Value));
}

void Work::keep(const std::shared_ptr<Object>& object) {
  if (current != nullptr) current->kept_.push_back(object);
}

}  // namespace mop::jinja
