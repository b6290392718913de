// tensor/read_bandwidth.h -- how fast this machine reads memory: the ceiling of decoding, which
// reads every weight once a token.
#pragma once
#include <cstdint>

namespace mop {

/// Memory to read, filled once. Huge pages where the system gives them, so that the figure is the
/// memory's and not that of address translation.
class ReadProbe {
 public:
  /// `bytes` should be far beyond the caches. Throws Error(kIo) when there is not so much memory.
  explicit ReadProbe(int64_t bytes);
  ~ReadProbe();
  ReadProbe(const ReadProbe&) = delete;
  ReadProbe& operator=(const ReadProbe&) = delete;

  /// Bytes per second of one pass of all threads over it.
  double measure() const;

 private:
  uint64_t* words_ = nullptr;
  int64_t count_ = 0;
};

}  // namespace mop
