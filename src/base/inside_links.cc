// base/inside_links.cc
#include "base/inside_links.h"

#include <algorithm>

#include "base/error.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

bool lies_below(const fs::path& file, const fs::path& folder) {
  return std::mismatch(folder.begin(), folder.end(), file.begin(), file.end()).first ==
         folder.end();
}

}  // namespace

void check_link_inside(const fs::path& folder, const fs::path& file) {
  std::error_code error;
  const fs::path home = fs::canonical(folder, error);
  const fs::path real = error ? fs::path() : fs::canonical(file, error);
  if (error) return;  // a missing file: the reader reports it
  if (lies_below(real, home)) return;
  // In the hub's cache, models--org--name/snapshots/COMMIT links to models--org--name/blobs.
  const bool snapshot = home.parent_path().filename() == "snapshots";
  if (snapshot && lies_below(real, home.parent_path().parent_path() / "blobs")) return;
  throw bad_input("a link leads out of the model's folder")
      .where("file", file.string())
      .where("leads to", real.string())
      .hint("put a copy of the file in the link's place, if it belongs to the model");
}

}  // namespace mop
