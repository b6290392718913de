#include "base/build_info.h"

#include "mop_build_info.h"  // written by cmake/BuildInfo.cmake at every build

namespace mop {

std::string mop_version() { return MOP_BUILD_VERSION; }
std::string mop_commit() { return MOP_BUILD_COMMIT; }
std::string libtorch_version() { return MOP_BUILD_LIBTORCH; }

}  // namespace mop
