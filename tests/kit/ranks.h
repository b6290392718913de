// tests/kit/ranks.h -- runs the ranks of one job as threads of this process.
#pragma once
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "collectives/collectives.h"

namespace mop::testing {

inline int64_t free_port() {
  const int listener = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  EXPECT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), length), 0);
  EXPECT_EQ(::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &length), 0);
  ::close(listener);
  return ntohs(address.sin_port);
}

inline RankPlace place(int64_t rank, int64_t size, int64_t port) {
  RankPlace place;
  place.rank = rank;
  place.size = size;
  place.address = "127.0.0.1";
  place.port = port;
  place.timeout = std::chrono::seconds(20);
  return place;
}

// Runs `work` as every rank, each in its own thread. Returns the error message of each rank, ""
// without an error.
inline std::vector<std::string> as_ranks(
    int64_t size, const std::function<void(std::shared_ptr<Collectives>)>& work) {
  ::signal(
      SIGPIPE,
      SIG_IGN);  // as the program does: writing to a rank that ended is then an error, not a signal
  const int64_t port = free_port();
  std::vector<std::string> errors(static_cast<size_t>(size));
  std::vector<std::thread> threads;
  for (int64_t rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        work(join_ranks(place(rank, size, port)));
      } catch (const std::exception& e) {
        errors[static_cast<size_t>(rank)] = e.what();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  return errors;
}

}  // namespace mop::testing
