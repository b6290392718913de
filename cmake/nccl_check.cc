// What src/collectives/nccl_group.cc needs of NCCL's header.
#include <nccl.h>

int main() {
  ncclConfig_t config = NCCL_CONFIG_INITIALIZER;
  config.blocking = 0;
  decltype(&ncclCommInitRankConfig) init = nullptr;
  decltype(&ncclGetLastError) last_error = nullptr;
  return init == nullptr && last_error == nullptr && config.blocking == 0 ? 0 : 1;
}
