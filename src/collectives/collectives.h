// collectives/collectives.h -- the processes (ranks) of one job and what they tell each other.
//
// Every rank calls the same functions in the same order with tensors of the same shapes. What a
// call returns is the same on every rank to the last bit, so decisions taken from it agree.
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace mop {

/// All calls block until every rank has made them. They throw Error(kIo) when another rank ended or
/// did not answer in time; the job cannot go on then.
class Collectives {
 public:
  virtual ~Collectives() = default;
  virtual int64_t rank() const = 0;  ///< 0 <= rank < size; rank 0 writes the files
  virtual int64_t size() const = 0;
  /// Says where this rank's tensors will lie. Where all ranks have GPUs and NCCL, they meet there
  /// from now on; through the CPU otherwise.
  virtual void meet_on(c10::Device) {}
  /// Adds up each tensor over the ranks, in place: float32, float64 or int64 (other floating types
  /// are added in float32), any device. Many small tensors travel together.
  virtual void all_reduce(const std::vector<at::Tensor>& tensors) = 0;
  /// Every rank's tensors become those of rank 0, in place.
  virtual void broadcast(const std::vector<at::Tensor>& tensors) = 0;
  /// Every rank's bytes, by rank, on every rank. Lengths may differ.
  virtual std::vector<std::string> all_gather(std::string_view bytes) = 0;

  /// Rank 0's bytes on every rank.
  std::string broadcast(std::string_view bytes);
  /// Sum over the ranks.
  double sum(double value);
  int64_t sum(int64_t value);
  void barrier() { all_gather(""); }
};

/// The job of one process: nothing is sent.
Collectives& one_rank();

/// Who this process is, as torchrun says it.
struct RankPlace {
  int64_t rank = 0;
  int64_t size = 1;
  std::string address;  ///< of rank 0's machine
  int64_t port = 0;     ///< at which rank 0 listens
  /// torchrun itself listens at `port` (TORCHELASTIC_USE_AGENT_STORE); how often it has restarted
  /// the job.
  bool agent_listens = false;
  int64_t restart = 0;
  /// For joining, and for any one call. A rank that ends is noticed at once, not by this (but for
  /// one that ends while GPUs exchange tensors, see nccl_group.h).
  std::chrono::seconds timeout{1800};
};

/// Reads RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT and MOP_RANK_TIMEOUT (seconds). Without
/// WORLD_SIZE, or with 1: one rank. Throws Error(kUsage) naming the variable that is missing or
/// wrong.
RankPlace rank_from_environment();

/// Waits until all ranks are there and connects them (LibTorch's Gloo; GLOO_SOCKET_IFNAME chooses
/// the network; NCCL for tensors on GPUs, see nccl_group.h). Throws Error(kIo) when they do not all
/// come in time, Error(kUsage) when this build has no Gloo.
std::shared_ptr<Collectives> join_ranks(const RankPlace& place);

/// [first, last) of `count` things that are `rank`'s: contiguous shares whose sizes differ by at
/// most one.
std::pair<int64_t, int64_t> rank_share(int64_t count, const Collectives& ranks);

}  // namespace mop
