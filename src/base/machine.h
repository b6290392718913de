// base/machine.h -- what must stand beside a measurement: the machine, its other load, our memory.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

namespace mop {

/// "model name" of /proc/cpuinfo; empty where there is none.
std::string processor();

/// Bytes of memory that programs may still have, the cache of files given back. 0 when it cannot be
/// found out.
int64_t free_memory_bytes();

/// Memory of this process in bytes, by /proc/self/status.
struct ProcessMemory {
  int64_t anonymous = 0;  ///< RssAnon: what this process alone holds
  int64_t mapped = 0;     ///< RssFile: pages of mapped files, which the system may take back
};
ProcessMemory process_memory();

/// Looks at this process's memory every 20 ms while it lives; the largest values, each by itself.
class PeakMemory {
 public:
  PeakMemory();
  ~PeakMemory();
  ProcessMemory peak() const;

 private:
  void look();
  std::atomic<int64_t> anonymous_{0}, mapped_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

/// Share of the machine's processor time that others used since construction, 0..1: what
/// /proc/stat counts as busy (time that a hypervisor took included), less this process's own. The
/// system counts in ticks of about 10 ms, so that short spans are coarse.
class ForeignLoad {
 public:
  ForeignLoad();
  double fraction() const;

 private:
  double busy_, total_, own_;
};

}  // namespace mop
