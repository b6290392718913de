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
set(MOP_PRECOMPILED <ATen/ATen.h> <nlohmann/json.hpp> <fmt/format.h>
    <string> <vector> <map> <memory> <functional> <filesystem> <optional> <span>)
if(MOP_PCH)
  file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/pch.cc CONTENT "")
  add_library(mop_pch OBJECT ${CMAKE_BINARY_DIR}/pch.cc)
  target_link_libraries(mop_pch PRIVATE mop_flags)
  target_precompile_headers(mop_pch PRIVATE ${MOP_PRECOMPILED})
endif()
function(mop_use_pch target)
  if(MOP_PCH)
    target_precompile_headers(${target} REUSE_FROM mop_pch)
  endif()
endfunction()

# A room's files are compiled MOP_UNITY at a time, so that what they include is read once: half the time of a build.
# Compiled alone: kernels, which have flags of their own, and rows of tables, whose functions have the same names.
function(mop_unite target)
  if(NOT MOP_UNITY)
    return()
  endif()
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE ${MOP_UNITY})
  # A state class of one file then lies in an included one, which GCC takes for a header.
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-subobject-linkage>)
  foreach(source IN LISTS ARGN)
    file(STRINGS ${source} kernels REGEX "^#include \"tensor/(clones|tiles|bfloat16_lanes).h\"$")
    if(kernels OR source MATCHES "/(branches|criteria|families|repair)/|_keys\\.cc$|/(normalizers|pre_tokenizers|decoders|methods)\\.cc$")
      set_property(SOURCE ${source} PROPERTY SKIP_UNITY_BUILD_INCLUSION ON)
    endif()
  endforeach()
endfunction()

# Text files of a room (*.py, *.cu, *.jsonl) become C++ string literals: src/ROOM/x.py is included as "ROOM/x.py.inc".
function(mop_embed target room)
  file(GLOB texts CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${room}/*.py ${CMAKE_SOURCE_DIR}/src/${room}/*.cu
    ${CMAKE_SOURCE_DIR}/src/${room}/*.jsonl)
  foreach(path IN LISTS texts)
    get_filename_component(name ${path} NAME)
    set(literal ${CMAKE_BINARY_DIR}/embedded/${room}/${name}.inc)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${path})
    file(READ ${path} text)
    file(WRITE ${literal}.new "R\"embedded(${text})embedded\"\n")
    configure_file(${literal}.new ${literal} COPYONLY)
    target_include_directories(${target} PRIVATE ${CMAKE_BINARY_DIR}/embedded)
  endforeach()
endfunction()

# Only the files that have clones are told, so that a change compiles no others.
function(mop_limit_instructions)
  foreach(source IN LISTS ARGN)
    file(STRINGS ${source} clones REGEX "^#include \"tensor/clones.h\"$")
    if(clones AND NOT MOP_INSTRUCTIONS EQUAL 2)
      set_property(SOURCE ${source} APPEND PROPERTY COMPILE_DEFINITIONS MOP_INSTRUCTIONS=${MOP_INSTRUCTIONS})
    endif()
  endforeach()
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
    mop_unite(mop_${name} ${sources})
    mop_embed(mop_${name} ${name})
    mop_limit_instructions(${sources})
  endif()
  add_library(mop::${name} ALIAS mop_${name})
  set_target_properties(mop_${name} PROPERTIES EXPORT_NAME ${name})
  target_include_directories(mop_${name} ${scope}
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/src> $<INSTALL_INTERFACE:include/mop>)
  list(TRANSFORM ARG_DEPS PREPEND mop_)
  target_link_libraries(mop_${name} ${scope} mop_flags ${ARG_DEPS} ${ARG_LINK})
  set_property(GLOBAL APPEND PROPERTY MOP_MODULES ${name})
endfunction()
