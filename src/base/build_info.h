// base/build_info.h -- version and commit of this build, for `mop --version`, manifests and
// reports.
#pragma once
#include <string>

namespace mop {

std::string mop_version();  ///< "0.1.0"
std::string mop_commit();   ///< short git commit; ends in "+changes" when the tree had changes;
                            ///< empty without git
std::string libtorch_version();  ///< version of the LibTorch headers at compile time, "2.13.0"

}  // namespace mop
