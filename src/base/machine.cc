// base/machine.cc
#include "base/machine.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <sstream>

namespace mop {
namespace {

struct CpuTime {
  double busy, total;  // seconds, summed over all processors
};

CpuTime machine_time() {
  std::ifstream stat("/proc/stat");
  std::string cpu;
  stat >> cpu;
  double sum = 0, idle = 0, value = 0;
  // The columns are: user nice system idle iowait irq softirq steal.
  for (int i = 0; i < 8 && stat >> value; ++i) {
    sum += value;
    if (i == 3 || i == 4) idle += value;
  }
  const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
  return {(sum - idle) / ticks, sum / ticks};
}

double own_time() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Returns the value of `key` in a file of "key: value" lines.
std::string field(const char* path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.rfind(key, 0) != 0) continue;
    const size_t begin = line.find_first_not_of(" \t", line.find(':') + 1);
    return begin == std::string::npos ? "" : line.substr(begin);
  }
  return "";
}

int64_t number(const char* path, const std::string& key) {
  std::istringstream text(field(path, key));
  int64_t value = 0;
  text >> value;
  return value;
}

}  // namespace

std::string processor() { return field("/proc/cpuinfo", "model name"); }

int64_t free_memory_bytes() { return 1024 * number("/proc/meminfo", "MemAvailable"); }

ProcessMemory process_memory() {
  return {1024 * number("/proc/self/status", "RssAnon"),
          1024 * number("/proc/self/status", "RssFile")};
}

PeakMemory::PeakMemory() {
  thread_ = std::thread([this] {
    while (!stop_) {
      look();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
}

PeakMemory::~PeakMemory() {
  stop_ = true;
  thread_.join();
}

ProcessMemory PeakMemory::peak() const {
  const ProcessMemory now = process_memory();
  return {std::max(anonymous_.load(), now.anonymous), std::max(mapped_.load(), now.mapped)};
}

void PeakMemory::look() {
  const ProcessMemory now = process_memory();
  anonymous_ = std::max(anonymous_.load(), now.anonymous);
  mapped_ = std::max(mapped_.load(), now.mapped);
}

ForeignLoad::ForeignLoad() {
  const CpuTime now = machine_time();
  busy_ = now.busy;
  total_ = now.total;
  own_ = own_time();
}

double ForeignLoad::fraction() const {
  const CpuTime now = machine_time();
  const double foreign = (now.busy - busy_) - (own_time() - own_);
  return std::max(0., foreign) / std::max(1e-9, now.total - total_);
}

}  // namespace mop
