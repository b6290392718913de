#include "base/machine.h"

#include <gtest/gtest.h>

#include <chrono>
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
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  volatile double sum = 0;
  while (std::chrono::steady_clock::now() < end) sum = sum + 1;
  const double share = load.fraction();
  EXPECT_GE(share, 0);
  // Our one thread worked all the time: at most the other processors can be others'.
  const double others = 1 - 1. / std::max(1u, std::thread::hardware_concurrency());
  EXPECT_LE(share, others + 0.5 / std::max(1u, std::thread::hardware_concurrency()) + 0.1);
}

}  // namespace
}  // namespace mop
