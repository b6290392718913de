#include "base/machine.h"

#include <gtest/gtest.h>

#include <chrono>
#include <ctime>
#include <memory>

namespace mop {
namespace {

TEST(PeakMemory, SeesWhatIsGoneAgain) {
  const int64_t before = process_memory().anonymous;
  ASSERT_GT(before, 0);
  const PeakMemory memory;
  const size_t bytes = 64 << 20;
  {
    const auto block = std::make_unique<volatile char[]>(bytes);
    for (size_t i = 0; i < bytes; i += 4096) block[i] = 1;
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  EXPECT_GE(memory.peak().anonymous, before + (60 << 20));
}

TEST(ProcessMemory, CountsMappedFilesApart) { EXPECT_GT(process_memory().mapped, 1 << 16); }

TEST(ForeignLoad, IsAShareAndOurOwnWorkIsNoPartOfIt) {
  const ForeignLoad load;
  const auto started = std::chrono::steady_clock::now();
  const std::clock_t own_started = std::clock();
  volatile double sum = 0;
  while (std::clock() - own_started < 0.3 * CLOCKS_PER_SEC) sum = sum + 1;
  const double share = load.fraction();
  const double own = static_cast<double>(std::clock() - own_started) / CLOCKS_PER_SEC;
  const std::chrono::duration<double> wall = std::chrono::steady_clock::now() - started;
  EXPECT_GE(share, 0);
  // What we used is nobody else's; the kernel counts whole ticks of 10 ms.
  const double ours = own / wall.count() / std::max(1u, std::thread::hardware_concurrency());
  EXPECT_LE(share, 1 - ours + 0.1);
}

}  // namespace
}  // namespace mop
