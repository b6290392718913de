// tensor/read_bandwidth.h -- measures memory read bandwidth, the upper bound of decoding speed:
// decoding reads every weight once per token.
#pragma once
#include <cstdint>

namespace mop {

/// A buffer to read, filled once. Uses huge pages where available, so that address translation does
/// not limit the figure.
class ReadProbe {
 public:
  /// `bytes` should be much larger than the caches. Throws Error(kIo) when the memory is not
  /// available.
  explicit ReadProbe(int64_t bytes);
  ~ReadProbe();
  ReadProbe(const ReadProbe&) = delete;
  ReadProbe& operator=(const ReadProbe&) = delete;

  /// Returns bytes per second of one pass over the buffer with all threads.
  double measure() const;

 private:
  uint64_t* words_ = nullptr;
  int64_t count_ = 0;
};

}  // namespace mop
