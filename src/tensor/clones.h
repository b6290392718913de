// tensor/clones.h -- compiles a function for several instruction sets; the loader selects one for
// the machine. For loops that the compiler vectorises. The build option MOP_INSTRUCTIONS omits
// newer sets (1: no AVX-512, 0: none), so that tests can run the code of older machines.
#pragma once

#ifndef MOP_INSTRUCTIONS
#define MOP_INSTRUCTIONS 2
#endif

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__) && \
    !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#if MOP_INSTRUCTIONS == 2
#define MOP_CLONES \
  __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default"), optimize("O3")))
#elif MOP_INSTRUCTIONS == 1
#define MOP_CLONES __attribute__((target_clones("arch=x86-64-v3", "default"), optimize("O3")))
#else
#define MOP_CLONES __attribute__((optimize("O3")))
#endif
#else
#define MOP_CLONES
#endif
