// text/jinja/work.h -- resource limits of templates, which are programs from untrusted models.
#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

namespace mop::jinja {

class Object;

/// The resources of one rendering, for the thread that renders: steps, bytes of strings and lists
/// created, longest string, and stack depth. The functions below throw Error(kBadInput) naming the
/// exceeded limit, and Error(kInterrupted) when a stop is requested; outside of a rendering they do
/// nothing.
class Work {
 public:
  static constexpr int64_t kMostSteps = 10'000'000;
  static constexpr int64_t kMostBytes = int64_t{256} << 20;
  static constexpr size_t kLongestText = size_t{16} << 20;
  static constexpr size_t kMostStack = size_t{2} << 20;
  static constexpr size_t kTextInPlace = 15;  ///< longer texts are shared by copies of their value

  Work();
  ~Work();
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  /// Count operations. The first also checks the stack depth.
  static void step();
  static void steps(size_t count);
  /// Count that each of `bytes` bytes is read or copied, or each of their letters decoded.
  static void look_at(size_t bytes) { steps(bytes >> 8); }
  static void letters(size_t bytes) { steps(bytes >> 6); }
  /// Count a string, or elements of a list, before or after it is created.
  static void make_text(size_t bytes);
  static void make_elements(size_t count);
  /// Check the current length of a growing string or list.
  static void check_length(size_t bytes);
  static void check_elements(size_t count);
  /// Counts a search in `bytes` bytes that may look at each of them `wanted` times.
  static void search(size_t bytes, size_t wanted) { steps((bytes * wanted) >> 10); }
  /// Keeps an object that can refer to itself alive until the rendering ends.
  static void keep(const std::shared_ptr<Object>& object);

 private:
  static void spend_bytes(size_t bytes);
  Work* outer_;
  const char* stack_;
  int64_t steps_ = 0, bytes_ = 0, next_look_ = 0;  // the next look at requests to stop
  std::vector<std::shared_ptr<Object>> kept_;
};

}  // namespace mop::jinja
