// python/module.cc -- mop._mop: the library as Python sees it. It translates and decides nothing.
#include "base/build_info.h"
#include "python/bindings.h"
#include "python/convert.h"

PYBIND11_MODULE(_mop, module) {
  module.doc() = "The compiled part of mop; import mop instead.";
  mop::python::register_errors();
  mop::python::bind_model(module);
  mop::python::bind_jobs(module);
  mop::python::bind_plugins(module);
  module.def("version", &mop::mop_version);
  module.def("commit", &mop::mop_commit);
  module.def("libtorch_version", &mop::libtorch_version);
}
