// tensor/cuda_parts.cu -- shared code of the kernels for NVIDIA GPUs. NVRTC compiles each kernel
// file with this text in front, once per dtype, selected by MOP_BFLOAT16. A test compiles the same
// text for the CPU with replacements for CUDA's functions.
#ifdef __CUDACC_RTC__
#define MOP_KERNEL extern "C" __global__ void
#define MOP_UNROLL _Pragma("unroll")
#endif

#ifdef MOP_BFLOAT16
typedef unsigned short Element;
#else
typedef float Element;
#endif

constexpr int kWarpThreads = 32;
constexpr int kVector = 16 / sizeof(Element);  // elements of the widest load

__device__ __forceinline__ float widened(Element x) {
#ifdef MOP_BFLOAT16
  return __uint_as_float(static_cast<unsigned>(x) << 16);
#else
  return x;
#endif
}

// Rounds to nearest, ties to even; NaN stays NaN.
__device__ __forceinline__ Element rounded(float x) {
#ifdef MOP_BFLOAT16
  const unsigned bits = __float_as_uint(x);
  const unsigned nearest = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  return static_cast<Element>(x != x ? 0x7fc0u : nearest);
#else
  return x;
#endif
}

__device__ __forceinline__ void unpack(const uint4& packed, float (&x)[kVector]) {
  const unsigned words[4] = {packed.x, packed.y, packed.z, packed.w};
  MOP_UNROLL
  for (int i = 0; i < 4; ++i) {
#ifdef MOP_BFLOAT16
    x[2 * i] = __uint_as_float(words[i] << 16);
    x[2 * i + 1] = __uint_as_float(words[i] & 0xffff0000u);
#else
    x[i] = __uint_as_float(words[i]);
#endif
  }
}

__device__ __forceinline__ uint4 packed(const float (&x)[kVector]) {
  unsigned words[4];
  MOP_UNROLL
  for (int i = 0; i < 4; ++i) {
#ifdef MOP_BFLOAT16
    words[i] = rounded(x[2 * i]) | static_cast<unsigned>(rounded(x[2 * i + 1])) << 16;
#else
    words[i] = __float_as_uint(x[i]);
#endif
  }
  return make_uint4(words[0], words[1], words[2], words[3]);
}

// kCount is kVector, with an address that is a multiple of 16 bytes, or 1.
template <int kCount>
__device__ __forceinline__ void load(const Element* from, float (&to)[kCount]) {
  if constexpr (kCount == 1) {
    to[0] = widened(*from);
  } else {
    unpack(*reinterpret_cast<const uint4*>(from), to);
  }
}
template <int kCount>
__device__ __forceinline__ void store(const float (&from)[kCount], Element* to) {
  if constexpr (kCount == 1) {
    *to = rounded(from[0]);
  } else {
    *reinterpret_cast<uint4*>(to) = packed(from);
  }
}

// Returns whether `count` elements at each of these addresses, and the rows that follow, can be
// loaded kVector at a time.
__device__ __forceinline__ bool vectors(long long count) { return count % kVector == 0; }
template <typename... Others>
__device__ __forceinline__ bool vectors(long long count, const Element* first, Others... others) {
  return (reinterpret_cast<unsigned long long>(first) & 15u) == 0 && vectors(count, others...);
}

// exp(-x) for a sigmoid, as precise as the dtype requires.
__device__ __forceinline__ float exponential(float x) {
#ifdef MOP_BFLOAT16
  return __expf(x);
#else
  return expf(x);
#endif
}

// Sums over the threads of a warp or a block; every thread receives the sum.
__device__ __forceinline__ float warp_sum(float x) {
  MOP_UNROLL
  for (int distance = kWarpThreads / 2; distance > 0; distance /= 2) {
    x += __shfl_xor_sync(0xffffffffu, x, distance);
  }
  return x;
}
__device__ __forceinline__ float block_sum(float x) {
  __shared__ float parts[kWarpThreads];
  const int warp = threadIdx.x / kWarpThreads, warps = blockDim.x / kWarpThreads;
  x = warp_sum(x);
  __syncthreads();  // waits until the previous sum has been read
  if (threadIdx.x % kWarpThreads == 0) parts[warp] = x;
  __syncthreads();
  float sum = 0;
  for (int w = 0; w < warps; ++w) sum += parts[w];
  return sum;
}

// Distributes rows of a matrix over whole blocks or over the warps of a block.
struct Team {
  long long row;
  int thread, threads;
};
template <bool kBlock>
__device__ __forceinline__ Team team() {
  if constexpr (kBlock) {
    return {static_cast<long long>(blockIdx.x), static_cast<int>(threadIdx.x),
            static_cast<int>(blockDim.x)};
  }
  const long long warps = blockDim.x / kWarpThreads;
  return {blockIdx.x * warps + threadIdx.x / kWarpThreads,
          static_cast<int>(threadIdx.x % kWarpThreads), kWarpThreads};
}
template <bool kBlock>
__device__ __forceinline__ float team_sum(float x) {
  if constexpr (kBlock) return block_sum(x);
  return warp_sum(x);
}
