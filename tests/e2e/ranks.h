// tests/e2e/ranks.h -- the built program as several processes of one job.
#pragma once
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "e2e/program.h"
#include "kit/ranks.h"

namespace mop::testing {

// The program `size` times, with the environment that torchrun would give it; only as many come as
// there are `args`, each with its own.
inline std::vector<std::unique_ptr<Process>> start_ranks(int size, const std::vector<Args>& args) {
  const std::map<std::string, std::string> environment = {
      {"WORLD_SIZE", std::to_string(size)},
      {"MASTER_ADDR", "127.0.0.1"},
      {"MASTER_PORT", std::to_string(free_port())},
      {"MOP_RANK_TIMEOUT", "60"}};
  for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
  std::vector<std::unique_ptr<Process>> ranks;
  for (size_t rank = 0; rank < args.size(); ++rank) {
    ::setenv("RANK", std::to_string(rank).c_str(), 1);
    ranks.push_back(std::make_unique<Process>(args[rank]));
  }
  ::unsetenv("RANK");
  for (const auto& [name, value] : environment) ::unsetenv(name.c_str());
  return ranks;
}

inline std::vector<std::unique_ptr<Process>> start_ranks(int size, const Args& args, int started) {
  return start_ranks(size, std::vector<Args>(static_cast<size_t>(started), args));
}

// What rank 0 leaves; the others must succeed in silence.
inline Ran run_ranks(int size, const Args& args) {
  auto ranks = start_ranks(size, args, size);
  const Ran first = ranks[0]->wait();
  EXPECT_EQ(first.exit, 0) << first.err;
  for (int rank = 1; rank < size; ++rank) {
    const Ran other = ranks[static_cast<size_t>(rank)]->wait();
    EXPECT_EQ(other.exit, 0) << other.err;
    EXPECT_EQ(other.out + other.err, "");
  }
  return first;
}

}  // namespace mop::testing
