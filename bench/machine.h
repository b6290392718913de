// bench/machine.h -- what must stand beside a measurement: the machine, its other load, our memory.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

namespace mop::bench {

/// "model name" of /proc/cpuinfo.
std::string processor();

/// Anonymous memory of this process now, in bytes: RssAnon, so mapped files do not count.
int64_t anonymous_bytes();

/// Samples `anonymous_bytes` every 20 ms while it lives.
class PeakMemory {
 public:
  PeakMemory();
  ~PeakMemory();
  int64_t bytes() const { return peak_; }

 private:
  std::atomic<int64_t> peak_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

/// Share of the machine's processor time that others used since construction, 0..1.
class ForeignLoad {
 public:
  ForeignLoad();
  double fraction() const;

 private:
  double busy_, total_, own_;
};

}  // namespace mop::bench
