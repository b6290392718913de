// text/jinja/work.h -- what a template may cost: it is a program, and comes with a stranger's
// model.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace mop::jinja {

class Object;

/// The work of one rendering, on the thread that renders: steps, bytes of texts and lists made, the
/// longest text, and depth. The functions below throw Error(kBadInput) saying which limit was met;
/// they do nothing outside of a rendering.
class Work {
 public:
  static constexpr int64_t kMostSteps = 10'000'000;
  static constexpr int64_t kMostBytes = int64_t{256} << 20;
  static constexpr size_t kLongestText = size_t{16} << 20;
  static constexpr size_t kMostStack = size_t{2} << 20;

  Work();
  ~Work();
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  /// Operations done or about to be done. The first also looks at the stack.
  static void step();
  static void steps(size_t count);
  /// A text, or elements of a list, made or about to be made.
  static void make_text(size_t bytes);
  static void make_elements(size_t count);
  /// A text that grows, or a list: its length so far.
  static void check_length(size_t bytes);
  static void check_elements(size_t count);
  /// A search in a text of `bytes` for one of `wanted`, which may look at each byte so often.
  static void search(size_t bytes, size_t wanted) { steps((bytes * wanted) >> 10); }
  /// Keeps what can hold itself until the rendering ends.
  static void keep(const std::shared_ptr<Object>& object);

 private:
  static void spend_bytes(size_t bytes);
  Work* outer_;
  const char* stack_;
  int64_t steps_ = 0, bytes_ = 0;
  std::vector<std::shared_ptr<Object>> kept_;
};

}  // namespace mop::jinja
