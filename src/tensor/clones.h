// tensor/clones.h -- one function, compiled for several instruction sets; the loader picks once, for
// the machine it runs on. For loops that the compiler turns into vectors.
#pragma once

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define MOP_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3")))
#else
#define MOP_CLONES
#endif
