# NCCL's and CUDA's headers, for several processes whose tensors lie on GPUs. MOP_NCCL_INCLUDES are their folders where
# both are found (beside LibTorch, as PyPI's wheels put them, in CUDA's folder or the system's) and compile together;
# the libraries are never linked, the program looks for NCCL when it needs it.
foreach(header IN ITEMS NCCL_HEADER/nccl.h CUDA_HEADER/cuda_runtime.h)
  string(REPLACE "/" ";" parts ${header})
  list(GET parts 0 variable)
  list(GET parts 1 file)
  if(MOP_${variable} AND NOT EXISTS ${MOP_${variable}}/${file})
    unset(MOP_${variable} CACHE)  # gone since the last configuration
  endif()
endforeach()
file(GLOB mop_beside_libtorch LIST_DIRECTORIES true ${MOP_LIBTORCH_DIR}/../nvidia/*/include)
find_path(MOP_NCCL_HEADER nccl.h HINTS ${mop_beside_libtorch} $ENV{CUDA_HOME}/include /usr/local/cuda/include)
find_path(MOP_CUDA_HEADER cuda_runtime.h HINTS ${mop_beside_libtorch} $ENV{CUDA_HOME}/include /usr/local/cuda/include)
mark_as_advanced(MOP_NCCL_HEADER MOP_CUDA_HEADER)

set(MOP_NCCL_INCLUDES "")
if(MOP_NCCL_HEADER AND MOP_CUDA_HEADER)
  set(MOP_NCCL_INCLUDES ${MOP_NCCL_HEADER} ${MOP_CUDA_HEADER})
  if(NOT "${MOP_NCCL_CHECKED}" STREQUAL "${MOP_LIBTORCH_DIR};${MOP_NCCL_INCLUDES}")
    unset(MOP_HAS_NCCL CACHE)
    try_compile(MOP_HAS_NCCL ${CMAKE_BINARY_DIR}/nccl_check ${CMAKE_SOURCE_DIR}/cmake/nccl_check.cc
      CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${MOP_NCCL_INCLUDES}"
      CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON)
    set(MOP_NCCL_CHECKED "${MOP_LIBTORCH_DIR};${MOP_NCCL_INCLUDES}" CACHE INTERNAL "")
    message(STATUS "NCCL's headers: ${MOP_NCCL_HEADER} (usable: ${MOP_HAS_NCCL})")
  endif()
  if(NOT MOP_HAS_NCCL)
    set(MOP_NCCL_INCLUDES "")
  endif()
endif()
