# Apache Arrow, for reading Parquet files. Only plugins/parquet is compiled against it, a library that the program loads
# when it meets a Parquet file: without Arrow everything else is built and works.
#
# Looks in MOP_ARROW (setting, then environment), then in .env/arrow/pyarrow (PyPI's pyarrow holds the C++ headers and
# libraries), then for an installed Arrow.
set(MOP_ARROW "${MOP_ARROW}" CACHE PATH "Arrow folder: include/arrow/api.h, and libarrow beside it or in lib")

foreach(dir ${MOP_ARROW} $ENV{MOP_ARROW} ${CMAKE_SOURCE_DIR}/.env/arrow/pyarrow)
  file(GLOB _arrow ${dir}/libarrow.so.*00 ${dir}/lib/libarrow.so)
  file(GLOB _parquet ${dir}/libparquet.so.*00 ${dir}/lib/libparquet.so)
  if(_arrow AND _parquet AND EXISTS ${dir}/include/parquet/arrow/reader.h)
    list(GET _arrow 0 _arrow)
    list(GET _parquet 0 _parquet)
    set(MOP_ARROW_INCLUDES ${dir}/include)
    set(MOP_ARROW_LIBRARIES ${_arrow} ${_parquet})
    get_filename_component(MOP_ARROW_FOLDER ${_arrow} DIRECTORY)
    break()
  endif()
endforeach()
if(NOT MOP_ARROW_LIBRARIES)
  find_package(Parquet 21 QUIET)
  if(Parquet_FOUND)
    set(MOP_ARROW_LIBRARIES Parquet::parquet_shared Arrow::arrow_shared)
  endif()
endif()

if(MOP_ARROW_LIBRARIES)
  message(STATUS "Parquet: ${MOP_ARROW_LIBRARIES}")
  add_library(mop_parquet SHARED ${CMAKE_SOURCE_DIR}/plugins/parquet/json_lines.cc)
  target_include_directories(mop_parquet SYSTEM PRIVATE ${MOP_ARROW_INCLUDES})
  target_link_libraries(mop_parquet PRIVATE ${MOP_ARROW_LIBRARIES} nlohmann_json::nlohmann_json)
  target_link_options(mop_parquet PRIVATE -Wl,--disable-new-dtags)
  set_target_properties(mop_parquet PROPERTIES
    CXX_VISIBILITY_PRESET hidden
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/src
    INSTALL_RPATH "${MOP_ARROW_FOLDER}")
else()
  message(STATUS "Parquet: Arrow not found, the program will refuse Parquet files")
endif()
