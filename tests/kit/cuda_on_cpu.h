// tests/kit/cuda_on_cpu.h -- emulates enough of CUDA to compile and run kernels on the CPU: each
// thread of a block is a thread, and blocks run one after another. A file includes this header,
// then the kernels' text inside a namespace. Slow; for a few small blocks.
#pragma once
#include <barrier>
#include <bit>
#include <cmath>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"

namespace mop::testing::cuda_on_cpu {

struct Place {
  unsigned x = 0;
};
inline thread_local Place thread_place;
inline thread_local Place block_place;
inline thread_local Place block_size;

/// The barriers of one block.
struct Block {
  explicit Block(int threads) : all(threads), exchanged(static_cast<size_t>(threads)) {
    for (int first = 0; first < threads; first += 32) {
      warps.push_back(std::make_unique<std::barrier<>>(32));
    }
  }
  std::barrier<> all;
  std::vector<std::unique_ptr<std::barrier<>>> warps;
  std::vector<float> exchanged;
};
inline thread_local Block* block = nullptr;

inline float exchange(float mine, unsigned distance) {
  const unsigned thread = thread_place.x;
  std::barrier<>& warp = *block->warps[thread / 32];
  block->exchanged[thread] = mine;
  warp.arrive_and_wait();
  const float theirs = block->exchanged[thread ^ distance];
  warp.arrive_and_wait();
  return theirs;
}

/// Calls the kernel for every thread of every block. With `together` = false, for kernels without
/// synchronisation, the calls run in the caller's thread.
template <typename Kernel>
void launch(int64_t blocks, int threads, bool together, const Kernel& kernel) {
  for (int64_t b = 0; b < blocks; ++b) {
    Block shared(threads);
    const auto run = [&](int t) {
      thread_place.x = static_cast<unsigned>(t);
      block_place.x = static_cast<unsigned>(b);
      block_size.x = static_cast<unsigned>(threads);
      block = &shared;
      kernel();
    };
    std::vector<std::jthread> running;
    for (int t = 0; t < threads; ++t) {
      if (together) {
        running.emplace_back(run, t);
      } else {
        run(t);
      }
    }
  }
}

struct uint4 {
  unsigned x, y, z, w;
};
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

}  // namespace mop::testing::cuda_on_cpu

using mop::testing::cuda_on_cpu::make_uint4;
using mop::testing::cuda_on_cpu::uint4;

#define MOP_KERNEL [[maybe_unused]] inline void
#define MOP_UNROLL
#define __device__ [[maybe_unused]] inline
#define __forceinline__
#define __shared__ static
#define threadIdx mop::testing::cuda_on_cpu::thread_place
#define blockIdx mop::testing::cuda_on_cpu::block_place
#define blockDim mop::testing::cuda_on_cpu::block_size
#define __syncthreads() mop::testing::cuda_on_cpu::block->all.arrive_and_wait()
#define __shfl_xor_sync(mask, x, distance) mop::testing::cuda_on_cpu::exchange(x, distance)
#define __float_as_uint(x) std::bit_cast<uint32_t>(static_cast<float>(x))
#define __uint_as_float(x) std::bit_cast<float>(static_cast<uint32_t>(x))
#define __expf(x) expf(x)
