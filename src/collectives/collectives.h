// collectives/collectives.h -- collective operations between the processes (ranks) of one job.
//
// Every rank calls the same functions in the same order with tensors of the same shapes. Results
// are bit-identical on all ranks, so decisions based on them agree.
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

/// Every call blocks until all ranks have made it. Throws Error(kIo) when another rank ended or did
/// not answer in time; the job cannot continue then.
class Collectives {
 public:
  virtual ~Collectives() = default;
  virtual int64_t rank() const = 0;  ///< 0 <= rank < size; only rank 0 writes files
  virtual int64_t size() const = 0;
  /// Sets the device of this rank's tensors. If all ranks have GPUs and NCCL, tensors are exchanged
  /// there from now on, otherwise through the CPU.
  virtual void meet_on(c10::Device) {}
  /// Sums each tensor over the ranks, in place: float32, float64 or int64 (other floating types are
  /// summed in float32), on any device. Small tensors are sent together.
  virtual void all_reduce(const std::vector<at::Tensor>& tensors) = 0;
  /// Overwrites every rank's tensors with those of rank 0.
  virtual void broadcast(const std::vector<at::Tensor>& tensors) = 0;
  /// Returns the bytes of all ranks, in rank order, on every rank. Lengths may differ.
  virtual std::vector<std::string> all_gather(std::string_view bytes) = 0;

  /// Returns rank 0's bytes on every rank.
  std::string broadcast(std::string_view bytes);
  /// Returns the sum over the ranks.
  double sum(double value);
  int64_t sum(int64_t value);
  void barrier() { all_gather(""); }
};

/// Collectives of a job with one process: all operations are local.
Collectives& one_rank();

/// The position of this process in the job, as torchrun sets it.
struct RankPlace {
  int64_t rank = 0;
  int64_t size = 1;
  std::string address;  ///< host of rank 0
  int64_t port = 0;     ///< port on which rank 0 listens
  /// Whether torchrun itself listens at `port` (TORCHELASTIC_USE_AGENT_STORE), and how often it has
  /// restarted the job.
  bool agent_listens = false;
  int64_t restart = 0;
  /// Timeout for joining and for each call. A rank that ends is detected at once, except while GPUs
  /// exchange tensors, see nccl_group.h.
  std::chrono::seconds timeout{1800};
};

/// Reads RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT and MOP_RANK_TIMEOUT (seconds). Returns one
/// rank without WORLD_SIZE or with WORLD_SIZE=1. Throws Error(kUsage) naming a missing or invalid
/// variable.
RankPlace rank_from_environment();

/// Waits for all ranks and connects them by LibTorch's Gloo (GLOO_SOCKET_IFNAME chooses the
/// network), with NCCL for tensors on GPUs, see nccl_group.h. Throws Error(kIo) on timeout,
/// Error(kUsage) when this build has no Gloo.
std::shared_ptr<Collectives> join_ranks(const RankPlace& place);

/// Returns the share [first, last) of `count` items for this rank: contiguous, sizes differ by at
/// most one.
std::pair<int64_t, int64_t> rank_share(int64_t count, const Collectives& ranks);

}  // namespace mop
