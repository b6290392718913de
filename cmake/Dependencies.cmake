# What every user of the libraries needs, here and in an installed package (mopConfig.cmake includes this).
include(LibTorch)
find_package(Threads REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(fmt REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(CURL REQUIRED)
find_package(PNG REQUIRED)
find_package(JPEG REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(PCRE2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
find_package(CLI11 REQUIRED)
if(NOT MOP_SANITIZE)  # the sanitizers bring an allocator of their own
  find_library(MIMALLOC mimalloc)
endif()

# Not by pkg-config, which would add the trainer's library.
find_library(SENTENCEPIECE_LIBRARY sentencepiece REQUIRED)
find_path(SENTENCEPIECE_INCLUDE sentencepiece_processor.h REQUIRED)
if(NOT TARGET mop::sentencepiece)
  add_library(mop::sentencepiece SHARED IMPORTED)
  set_target_properties(mop::sentencepiece PROPERTIES IMPORTED_LOCATION ${SENTENCEPIECE_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${SENTENCEPIECE_INCLUDE})
endif()

# LibTorch ships its own copy of fmt's headers; ours must come first, to match the library we link.
get_target_property(_fmt_include fmt::fmt INTERFACE_INCLUDE_DIRECTORIES)
find_path(MOP_FMT_DIR fmt/core.h PATHS ${_fmt_include} /usr/include NO_DEFAULT_PATH REQUIRED)
set(MOP_FIRST_INCLUDE ${CMAKE_BINARY_DIR}/first)
file(MAKE_DIRECTORY ${MOP_FIRST_INCLUDE})
file(CREATE_LINK ${MOP_FMT_DIR}/fmt ${MOP_FIRST_INCLUDE}/fmt SYMBOLIC)
