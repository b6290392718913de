# mop_extension(NAME DEPS a b ...): src/NAME/*.cc -> the Python extension mop._mop, and beside it, in
# build/python/mop, links to the package's Python files: PYTHONPATH=build/python imports it from there.
set(MOP_PYTHON AUTO CACHE STRING "the Python package: ON, OFF, or AUTO = when Python's headers and a torch for it are there")
if(MOP_PYTHON)
  find_package(Python3 QUIET COMPONENTS Interpreter Development.Module)
  # LibTorch's Python half is made for one version of Python.
  file(GLOB _torch_for_python ${MOP_LIBTORCH_DIR}/_C.cpython-${Python3_VERSION_MAJOR}${Python3_VERSION_MINOR}-*.so)
  if(Python3_Development.Module_FOUND AND _torch_for_python AND EXISTS ${MOP_LIBTORCH_DIR}/lib/libtorch_python.so)
    set(MOP_HAS_PYTHON ON)
  elseif(NOT MOP_PYTHON STREQUAL "AUTO")
    message(FATAL_ERROR "The Python package needs Python's headers (python3-dev) and a LibTorch that is a torch of "
      "Python ${Python3_VERSION_MAJOR}.${Python3_VERSION_MINOR}; looked in ${MOP_LIBTORCH_DIR}")
  endif()
endif()

function(mop_extension name)
  cmake_parse_arguments(ARG "" "" "DEPS" ${ARGN})
  if(NOT MOP_HAS_PYTHON)
    return()
  endif()
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cc)
  add_library(mop_${name} MODULE ${sources})
  set_target_properties(mop_${name} PROPERTIES PREFIX "" OUTPUT_NAME _mop SUFFIX ".${Python3_SOABI}.so"
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/python/mop CXX_VISIBILITY_PRESET hidden
    # `import torch` has loaded its libraries before: no path to them is needed, whichever torch it is.
    SKIP_BUILD_RPATH ON)
  target_include_directories(mop_${name} PRIVATE ${CMAKE_SOURCE_DIR}/src)
  target_include_directories(mop_${name} SYSTEM PRIVATE ${Python3_INCLUDE_DIRS})
  list(TRANSFORM ARG_DEPS PREPEND mop_)
  target_link_libraries(mop_${name} PRIVATE mop_flags ${ARG_DEPS} ${MOP_LIBTORCH_DIR}/lib/libtorch_python.so)
  file(GLOB files CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/mop/*)
  foreach(file IN LISTS files)
    get_filename_component(base ${file} NAME)
    file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/python/mop)
    file(CREATE_LINK ${file} ${CMAKE_BINARY_DIR}/python/mop/${base} SYMBOLIC)
  endforeach()
  install(TARGETS mop_${name} LIBRARY DESTINATION mop COMPONENT python EXCLUDE_FROM_ALL)
endfunction()
