# cmake --install: the program, the modules as static libraries, headers, and a package for find_package(mop).
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)
set(_config ${CMAKE_INSTALL_LIBDIR}/cmake/mop)

get_property(_modules GLOBAL PROPERTY MOP_MODULES)
list(TRANSFORM _modules PREPEND mop_ OUTPUT_VARIABLE _targets)
install(TARGETS mop_flags ${_targets} EXPORT mopTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}/mop)
install(EXPORT mopTargets NAMESPACE mop:: DESTINATION ${_config})
install(DIRECTORY src/ DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/mop FILES_MATCHING PATTERN "*.h")
if(TARGET mop)
  install(TARGETS mop RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
  # What shells and man know of the program, said by itself.
  set(_said ${CMAKE_BINARY_DIR}/said)
  install(CODE "
    file(MAKE_DIRECTORY ${_said})
    execute_process(COMMAND $<TARGET_FILE:mop> man OUTPUT_FILE ${_said}/mop.1 COMMAND_ERROR_IS_FATAL ANY)
    execute_process(COMMAND $<TARGET_FILE:mop> completion bash OUTPUT_FILE ${_said}/mop COMMAND_ERROR_IS_FATAL ANY)
  ")
  install(FILES ${_said}/mop.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
  install(FILES ${_said}/mop DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
endif()
if(TARGET mop_parquet)
  install(TARGETS mop_parquet LIBRARY DESTINATION lib)
endif()

configure_file(cmake/mopConfig.cmake.in mopConfig.cmake @ONLY)
write_basic_package_version_file(mopConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/mopConfig.cmake ${CMAKE_BINARY_DIR}/mopConfigVersion.cmake
  cmake/LibTorch.cmake cmake/Dependencies.cmake DESTINATION ${_config})
install(FILES LICENSE NOTICE DESTINATION ${CMAKE_INSTALL_DATADIR}/doc/mop)
