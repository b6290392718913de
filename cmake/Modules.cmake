# mop_module(NAME DEPS a b ... [LINK targets]): src/NAME/*.cc -> library mop_NAME, and
# tests/unit/NAME/*_test.cc -> program test_NAME (added in tests/). DEPS are other modules; the
# arrows are written down in ARCHITECTURE.md and checked by tools/check_layers.py.
add_library(mop_flags INTERFACE)
set_target_properties(mop_flags PROPERTIES EXPORT_NAME flags)
target_include_directories(mop_flags BEFORE INTERFACE $<BUILD_INTERFACE:${MOP_FIRST_INCLUDE}>)
target_compile_features(mop_flags INTERFACE cxx_std_20)
target_compile_options(mop_flags INTERFACE $<BUILD_INTERFACE:-Wall;-Wextra;-Wno-unused-parameter>)
target_link_libraries(mop_flags INTERFACE libtorch::torch_cpu libtorch::c10 nlohmann_json::nlohmann_json
                      fmt::fmt Threads::Threads)

# One precompiled header, built once and shared by every module.
if(MOP_PCH)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pch.cc CONTENT "")
  add_library(mop_pch OBJECT ${CMAKE_BINARY_DIR}/pch.cc)
  target_link_libraries(mop_pch PRIVATE mop_flags)
  target_precompile_headers(mop_pch PRIVATE <ATen/ATen.h> <nlohmann/json.hpp> <fmt/format.h>
    <string> <vector> <map> <memory> <functional> <filesystem> <optional> <span>)
endif()
function(mop_use_pch target)
  if(MOP_PCH)
    target_precompile_headers(${target} REUSE_FROM mop_pch)
  endif()
endfunction()

set_property(GLOBAL PROPERTY MOP_MODULES "")
function(mop_module name)
  cmake_parse_arguments(ARG "" "" "DEPS;LINK" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cc)
  list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  if(NOT sources)
    add_library(mop_${name} INTERFACE)
    set(scope INTERFACE)
  else()
    add_library(mop_${name} STATIC ${sources})
    set(scope PUBLIC)
    mop_use_pch(mop_${name})
  endif()
  add_library(mop::${name} ALIAS mop_${name})
  set_target_properties(mop_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(mop_${name} ${scope}
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src> $<INSTALL_INTERFACE:include/mop>)
  list(TRANSFORM ARG_DEPS PREPEND mop_)
  target_link_libraries(mop_${name} ${scope} mop_flags ${ARG_DEPS} ${ARG_LINK})
  set_property(GLOBAL APPEND PROPERTY MOP_MODULES ${name})
endfunction()
