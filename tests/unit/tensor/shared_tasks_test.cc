#include "tensor/shared_tasks.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

#include "base/error.h"
#include "tensor/read_bandwidth.h"

namespace mop {
namespace {

TEST(SharedTasks, DoesEveryTaskOnceWhateverTheThreads) {
  const int threads = at::get_num_threads();
  for (const int count : {1, 2, 3}) {
    at::set_num_threads(count);
    for (const int64_t tasks : {0, 1, 2, 100}) {
      std::vector<int> done(static_cast<size_t>(tasks), 0);
      shared_tasks(tasks, [&](int64_t task) { ++done[static_cast<size_t>(task)]; });
      EXPECT_EQ(std::accumulate(done.begin(), done.end(), 0), tasks);
      for (const int times : done) EXPECT_EQ(times, 1);
    }
  }
  at::set_num_threads(threads);
}

TEST(SharedTasks, AnErrorComesThrough) {
  EXPECT_THROW(shared_tasks(8,
                            [](int64_t task) {
                              if (task == 5) throw bad_input("task {}", task);
                            }),
               Error);
}

TEST(ReadProbe, GivesAFigureThatAMachineCanHave) {
  const double bandwidth = ReadProbe(1 << 25).measure();
  EXPECT_GT(bandwidth, 1e8);
  EXPECT_LT(bandwidth, 1e13);
}

TEST(ReadProbe, RefusesMoreMemoryThanThereIs) { EXPECT_THROW(ReadProbe(int64_t{1} << 60), Error); }

}  // namespace
}  // namespace mop
