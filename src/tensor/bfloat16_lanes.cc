// tensor/bfloat16_lanes.cc
#include "tensor/bfloat16_lanes.h"

#include <ATen/Version.h>

namespace mop::bfloat16 {

bool available() {
#ifdef MOP_BFLOAT16_LANES
  static const bool kAvailable = [] {
    const std::string allowed = at::get_cpu_capability();
    return allowed != "DEFAULT" && allowed != "AVX2" && __builtin_cpu_supports("avx512bf16") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("bmi2");
  }();
  return kAvailable;
#else
  return false;
#endif
}

}  // namespace mop::bfloat16
