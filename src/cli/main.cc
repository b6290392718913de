// cli/main.cc -- main(), and environment settings that libraries read while they are loaded.
#include <alloca.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <new>

#include "cli/program.h"

namespace {

#define MOP_BEFORE_LIBRARIES __attribute__((no_sanitize("address", "undefined")))

// The C library is not initialised this early, so its functions must not be called.
MOP_BEFORE_LIBRARIES bool begins(const char* text, const char* prefix) {
  while (*prefix != '\0' && *text == *prefix) ++text, ++prefix;
  return *prefix == '\0';
}

MOP_BEFORE_LIBRARIES bool says(char** environment, const char* prefix) {
  while (*environment != nullptr && !begins(*environment, prefix)) ++environment;
  return *environment != nullptr;
}

// Returns whether the verb trains or may train: a pruning recipe can have a section `recovery`.
MOP_BEFORE_LIBRARIES bool trains(int argc, char** argv) {
  if (argc < 2) return false;
  if (begins(argv[1], "recover") || begins(argv[1], "train")) return true;
  if (!begins(argv[1], "prune")) return false;
  for (int i = 2; i < argc; ++i) {
    for (const char* word : {"--recipe", "recovery.", "--set=recovery."}) {
      if (begins(argv[i], word)) return true;
    }
  }
  return false;
}

// Three libraries read environment variables while they are loaded. The program therefore adds
// those that the user did not set, and executes itself again. In .preinit_array this costs a
// hundredth of a second; in main() it would cost a fifth.
MOP_BEFORE_LIBRARIES void start_with_settings(int argc, char** argv, char** environment) {
  // libgomp's threads spin while they wait. On a machine with other load they then take the
  // processor from working threads, which slows a run several times. A short spin avoids this.
  static char spin[] = "GOMP_SPINCOUNT=10000";
  // Failures between ranks are reported as one error of ours; LibTorch's log would repeat them.
  static char quiet[] = "TORCH_CPP_LOG_LEVEL=FATAL";
  // A training step frees its activations and allocates them again. An allocator that returns the
  // memory to the system in between spends a fifth of the time on new pages. (The names are those
  // of mimalloc 2.0 and 2.1.)
  static char keep[] = "MIMALLOC_ALLOW_DECOMMIT=0", keep_newer[] = "MIMALLOC_PURGE_DELAY=-1";
  const bool add_spin =
      !says(environment, "OMP_WAIT_POLICY=") && !says(environment, "GOMP_SPINCOUNT=");
  const bool add_quiet = !says(environment, "TORCH_CPP_LOG_LEVEL=");
  const bool add_keep = trains(argc, argv) && !says(environment, "MIMALLOC_ALLOW_DECOMMIT=");
  if (argc < 2 || argv[1][0] == '-' || (!add_spin && !add_quiet && !add_keep)) return;
  size_t count = 0;
  while (environment[count] != nullptr) ++count;
  char** wanted = static_cast<char**>(alloca(sizeof(char*) * (count + 5)));
  for (size_t i = 0; i < count; ++i) wanted[i] = environment[i];
  if (add_spin) wanted[count++] = spin;
  if (add_quiet) wanted[count++] = quiet;
  if (add_keep) {
    wanted[count++] = keep;
    wanted[count++] = keep_newer;
  }
  wanted[count] = nullptr;
  ::execve("/proc/self/exe", argv, wanted);  // if this fails, the run is only slower
}

__attribute__((section(".preinit_array"),
               used)) void (*const kBeforeLibraries)(int, char**, char**) = start_with_settings;

}  // namespace

#if defined(MOP_MIMALLOC)
// mimalloc's `new` aborts without a message when memory runs out, because it is compiled as C. Its
// malloc, which these functions call, returns null; its `delete` accepts malloc's memory.
namespace {
void* or_throw(void* memory) {
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void* aligned(size_t size, std::align_val_t alignment) {
  void* memory = nullptr;
  const auto bytes = std::max(static_cast<size_t>(alignment), sizeof(void*));
  return or_throw(::posix_memalign(&memory, bytes, size) == 0 ? memory : nullptr);
}
}  // namespace
void* operator new(size_t size) { return or_throw(std::malloc(size)); }
void* operator new[](size_t size) { return or_throw(std::malloc(size)); }
void* operator new(size_t size, std::align_val_t alignment) { return aligned(size, alignment); }
void* operator new[](size_t size, std::align_val_t alignment) { return aligned(size, alignment); }
#endif

int main(int argc, char** argv) {
  const int code = mop::run_program(argc, argv);
  std::fflush(nullptr);
  std::_Exit(code);  // all files are closed; skips LibTorch's destructors, which take 0.05 s
}
