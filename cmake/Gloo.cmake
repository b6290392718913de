# Gloo inside LibTorch, for several processes. The wheel's library holds it, its headers mention Gloo's
# own headers, which the wheel lacks: five files of one line stand in for them (see
# src/collectives/gloo_names.h). MOP_HAS_GLOO says whether that compiles and links with this LibTorch.
set(MOP_GLOO_NAMES ${CMAKE_BINARY_DIR}/gloo_names)
foreach(name algorithm common/error context rendezvous/store transport/device)
  file(CONFIGURE OUTPUT ${MOP_GLOO_NAMES}/gloo/${name}.h
    CONTENT "#include \"${CMAKE_SOURCE_DIR}/src/collectives/gloo_names.h\"\n" @ONLY)
endforeach()

if(NOT "${MOP_GLOO_CHECKED}" STREQUAL "${MOP_LIBTORCH_DIR}")
  unset(MOP_HAS_GLOO CACHE)
  try_compile(MOP_HAS_GLOO ${CMAKE_BINARY_DIR}/gloo_check ${CMAKE_SOURCE_DIR}/cmake/gloo_check.cc
    CMAKE_FLAGS "-DINCLUDE_DIRECTORIES=${MOP_GLOO_NAMES};${MOP_LIBTORCH_DIR}/include"
    LINK_LIBRARIES libtorch::torch_cpu
    CXX_STANDARD 20 CXX_STANDARD_REQUIRED ON)
  set(MOP_GLOO_CHECKED "${MOP_LIBTORCH_DIR}" CACHE INTERNAL "")
  message(STATUS "LibTorch's Gloo: ${MOP_HAS_GLOO}")
endif()
