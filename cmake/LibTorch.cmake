# LibTorch by its two CPU libraries, whichever build it comes from. We do not use find_package(Torch):
# the configuration shipped in a CUDA build demands the CUDA toolkit, and we compile no CUDA code.
# libtorch_cuda is loaded at run time when `--device cuda` is asked for.
#
# Looks in MOP_LIBTORCH (setting, then environment), then in every CMAKE_PREFIX_PATH entry (<prefix>,
# <prefix>/torch, <prefix>/lib/python*/site-packages/torch), then in .env/libtorch/torch.
set(MOP_LIBTORCH "${MOP_LIBTORCH}" CACHE PATH "LibTorch folder: holds include/ and lib/libtorch_cpu.so")

set(_candidates ${MOP_LIBTORCH} $ENV{MOP_LIBTORCH})
string(REPLACE ":" ";" _prefixes "$ENV{CMAKE_PREFIX_PATH}")
foreach(prefix IN LISTS CMAKE_PREFIX_PATH _prefixes)
  file(GLOB _site ${prefix}/lib/python*/site-packages/torch)
  list(APPEND _candidates ${prefix} ${prefix}/torch ${_site})
endforeach()
list(APPEND _candidates ${CMAKE_SOURCE_DIR}/.env/libtorch/torch)
foreach(dir IN LISTS _candidates)
  if(EXISTS ${dir}/include/ATen/core/Tensor.h AND EXISTS ${dir}/lib/libtorch_cpu.so)
    set(MOP_LIBTORCH_DIR ${dir})
    break()
  endif()
endforeach()
if(NOT MOP_LIBTORCH_DIR)
  message(FATAL_ERROR "LibTorch not found. Looked in: ${_candidates}\n"
    "Run ./run build, which installs it, or pass -DMOP_LIBTORCH=<folder with include/ and lib/>.")
endif()

foreach(header torch/headeronly/version.h torch/csrc/api/include/torch/version.h)
  if(EXISTS ${MOP_LIBTORCH_DIR}/include/${header})
    file(STRINGS ${MOP_LIBTORCH_DIR}/include/${header} _lines REGEX "define TORCH_VERSION_(MAJOR|MINOR|PATCH) ")
    if(_lines)
      string(REGEX MATCHALL "[0-9]+" _numbers "${_lines}")
      list(JOIN _numbers "." MOP_LIBTORCH_VERSION)
      break()
    endif()
  endif()
endforeach()
if(MOP_LIBTORCH_VERSION VERSION_LESS 2.7)
  message(FATAL_ERROR "LibTorch ${MOP_LIBTORCH_VERSION} in ${MOP_LIBTORCH_DIR} is too old: 2.7 or newer is required")
endif()
message(STATUS "LibTorch ${MOP_LIBTORCH_VERSION} in ${MOP_LIBTORCH_DIR}")

foreach(lib torch_cpu c10)
  if(TARGET libtorch::${lib})
    continue()
  endif()
  add_library(libtorch::${lib} SHARED IMPORTED GLOBAL)
  set_target_properties(libtorch::${lib} PROPERTIES
    IMPORTED_LOCATION ${MOP_LIBTORCH_DIR}/lib/lib${lib}.so
    INTERFACE_INCLUDE_DIRECTORIES
      "${MOP_LIBTORCH_DIR}/include;${MOP_LIBTORCH_DIR}/include/torch/csrc/api/include")
endforeach()
# at::parallel_for is a template: compiled without OpenMP it runs on one thread. The runtime must be
# LibTorch's own copy, since two of them in one process fight for the cores.
file(GLOB _gomp ${MOP_LIBTORCH_DIR}/lib/libgomp*.so* ${MOP_LIBTORCH_DIR}/../torch.libs/libgomp*.so*)
if(_gomp)
  list(GET _gomp 0 _gomp)
else()
  set(_gomp -fopenmp)
endif()
set_property(TARGET libtorch::c10 PROPERTY INTERFACE_COMPILE_OPTIONS -fopenmp)
set_property(TARGET libtorch::torch_cpu PROPERTY INTERFACE_LINK_LIBRARIES libtorch::c10 ${_gomp})
# libtorch_cpu of a CUDA build needs NVIDIA's small runtime libraries, found by its own RPATH.
add_link_options(-Wl,--allow-shlib-undefined)
