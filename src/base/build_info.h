// base/build_info.h -- which build this is: for `mop --version`, manifests and reports.
#pragma once
#include <string>

namespace mop {

std::string mop_version();  ///< "0.1.0"
std::string
mop_commit();  ///< short git commit, "+changes" when the tree differed; empty without git
std::string libtorch_version();  ///< of the headers it was compiled with, "2.13.0"

}  // namespace mop
