// text/parquet_rows.cc
#include "text/parquet_rows.h"

#include <dlfcn.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "base/error.h"

namespace mop {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLibrary = "libmop_parquet.so";
using JsonLines = char* (*)(const char* path, int out);

// Candidate paths: beside the program or extension, in the lib folder of an installation, in the
// build folder.
std::vector<std::string> places() {
  if (const char* named = std::getenv("MOP_PARQUET_LIBRARY")) return {named};
  std::vector<std::string> list;
  Dl_info here{};
  if (::dladdr(reinterpret_cast<const void*>(&places), &here) != 0 && here.dli_fname != nullptr) {
    const fs::path folder = fs::absolute(here.dli_fname).parent_path();
    list = {folder / kLibrary, folder.parent_path() / "lib" / kLibrary};
  }
#ifdef MOP_PARQUET_BUILT
  list.emplace_back(MOP_PARQUET_BUILT);
#endif
  list.emplace_back(kLibrary);
  return list;
}

JsonLines load() {
  std::string reason;
  for (const std::string& place : places()) {
    if (place.find('/') != place.npos && !fs::exists(place)) continue;
    void* library = ::dlopen(place.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      reason = ::dlerror();
      continue;
    }
    if (void* found = ::dlsym(library, "mop_parquet_json_lines"))
      return reinterpret_cast<JsonLines>(found);
    reason = place + " is not MoP's library";
  }
  throw usage_error("Parquet files cannot be read: {} is not there{}", kLibrary,
                    reason.empty() ? "" : " (" + reason + ")")
      .hint(
          "build with Arrow (./run build), or convert the file: python3 -c \"import pandas; "
          "pandas.read_parquet('FILE.parquet').to_json('FILE.jsonl', orient='records', "
          "lines=True)\"");
}

/// A temporary file, unlinked when this is destroyed.
struct TemporaryFile {
  std::string path = (fs::temp_directory_path() / "mop_parquet_XXXXXX").string();
  int descriptor = ::mkstemp(path.data());
  ~TemporaryFile() {
    if (descriptor < 0) return;
    ::close(descriptor);
    ::unlink(path.c_str());
  }
};

}  // namespace

std::shared_ptr<const MappedFile> parquet_json_lines(const fs::path& file) {
  const JsonLines json_lines = load();
  const TemporaryFile lines;
  if (lines.descriptor < 0) {
    throw io_error("cannot make a temporary file: {}", std::strerror(errno))
        .where("file", lines.path)
        .hint("TMPDIR names the folder");
  }
  if (char* problem = json_lines(file.c_str(), lines.descriptor)) {
    const std::string text = problem;
    std::free(problem);
    if (text.starts_with("cannot write")) {
      throw io_error("the rows of the Parquet file {}", text)
          .where("file", lines.path)
          .hint("TMPDIR names another folder for temporary files");
    }
    throw bad_input("the Parquet file cannot be read: {}", text).where("file", file.string());
  }
  return MappedFile::open(lines.path);
}

}  // namespace mop
