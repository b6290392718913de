// base/machine.h -- conditions to report beside a measurement: processor, foreign load, memory of
// this process.
#pragma once
#include <atomic>
#include <cstdint>
#include <string>
#include <thread>

namespace mop {

/// Returns "model name" of /proc/cpuinfo; empty where it does not exist.
std::string processor();

/// Returns the bytes of memory available to programs, reclaimable file cache included; 0 when
/// unknown.
int64_t free_memory_bytes();

/// Resident memory of this process in bytes, from /proc/self/status.
struct ProcessMemory {
  int64_t anonymous = 0;  ///< RssAnon: private memory
  int64_t mapped = 0;     ///< RssFile: pages of mapped files, which the system can reclaim
};
ProcessMemory process_memory();

/// Samples this process's memory every 20 ms while it exists. Keeps the maximum of each value.
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

/// Measures the share (0..1) of the machine's CPU time that other processes used since
/// construction: the busy time of /proc/stat, time stolen by a hypervisor included, minus the CPU
/// time of this process. The system counts in ticks of about 10 ms, so short spans are inaccurate.
class ForeignLoad {
 public:
  ForeignLoad();
  double fraction() const;

 private:
  double busy_, total_, own_;
};

}  // namespace mop
