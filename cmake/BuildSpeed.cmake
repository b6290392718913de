# A compiler cache when it is there; sanitizers when asked for. The system's linker takes half a second for the largest
# program; Debian 12's mold lays out some programs with thread-local data so that the loader refuses them.
find_program(CCACHE ccache)
if(CCACHE)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      CCACHE_BASEDIR=${CMAKE_SOURCE_DIR} CCACHE_NOHASHDIR=1 ${CCACHE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND MOP_PCH)
    add_compile_options(-fpch-preprocess)
  endif()
endif()
add_link_options(-Wl,--as-needed)
if(MOP_FUZZ)
  set(MOP_SANITIZE address,undefined)
  add_compile_options(-fsanitize=fuzzer-no-link -fno-sanitize-recover=undefined)
endif()
if(MOP_SANITIZE)
  # What the sanitizers add takes the optimiser twice as long at -O2.
  string(REPLACE "-O2" "-O1" CMAKE_CXX_FLAGS_RELEASE "${CMAKE_CXX_FLAGS_RELEASE}")
  add_compile_options(-fsanitize=${MOP_SANITIZE} -fno-omit-frame-pointer -g1)
  add_link_options(-fsanitize=${MOP_SANITIZE})
  # Clang's OpenMP is another library than LibTorch's; with one thread the two do not meet.
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    add_link_options(-fopenmp)
  endif()
endif()
