// tensor/clones.h -- one function, compiled for several instruction sets; the loader picks once,
// for the machine it runs on. For loops that the compiler turns into vectors. The build option
// MOP_INSTRUCTIONS leaves newer ones out (1: no AVX-512, 0: none), so that tests see old machines.
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
