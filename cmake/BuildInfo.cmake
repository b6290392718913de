# mop_build_info.h, written anew only when what it says changes. As a script (at every build) it writes the
# header; included, it adds the target that does so.
if(CMAKE_SCRIPT_MODE_FILE)
  cmake_minimum_required(VERSION 3.22)
  execute_process(COMMAND git describe --always --abbrev=12 --exclude=* WORKING_DIRECTORY ${SOURCE}
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(failed)
    set(commit "")
  else()
    execute_process(COMMAND git diff --quiet HEAD -- src cmake CMakeLists.txt WORKING_DIRECTORY ${SOURCE}
      RESULT_VARIABLE changed ERROR_QUIET)
    if(changed)
      string(APPEND commit "+changes")
    endif()
  endif()
  file(CONFIGURE OUTPUT ${HEADER} CONTENT "#define MOP_BUILD_VERSION \"@VERSION@\"
#define MOP_BUILD_COMMIT \"@commit@\"
#define MOP_BUILD_LIBTORCH \"@LIBTORCH@\"
" @ONLY)
  return()
endif()

set(_folder ${CMAKE_BINARY_DIR}/build_info)
add_custom_target(mop_build_info BYPRODUCTS ${_folder}/mop_build_info.h
  COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_SOURCE_DIR} -DHEADER=${_folder}/mop_build_info.h
    -DVERSION=${PROJECT_VERSION} -DLIBTORCH=${MOP_LIBTORCH_VERSION} -P ${CMAKE_CURRENT_LIST_DIR}/BuildInfo.cmake
  COMMENT "Noting commit and versions")
add_dependencies(mop_base mop_build_info)
target_include_directories(mop_base PRIVATE ${_folder})
