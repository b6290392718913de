// python/convert.h -- what crosses the border between Python and the library: JSON values, errors,
// progress, signals, and who holds Python's lock.
#pragma once
#include <torch/csrc/utils/pybind.h>

#include <csignal>
#include <memory>
#include <string>
#include <utility>

#include "base/json.h"
#include "base/progress.h"

namespace mop::python {

namespace py = pybind11;

/// Python's dicts, lists and scalars. NaN and infinities become None, as in our JSON files.
py::object to_python(const Json& value);
/// The same back; paths become texts. Throws py::error_already_set for anything else.
Json from_python(const py::object& value);

/// Makes every mop::Error the exception of its kind (mop.errors), and an interruption
/// KeyboardInterrupt.
void register_errors();

/// Calls the methods that a Python object has of note, warn, begin, advance and end; None is silent
/// but for warnings, which go to the module `warnings`.
class PythonProgress : public Progress {
 public:
  explicit PythonProgress(py::object listener) : listener_(std::move(listener)) {}
  void note(std::string_view text) override;
  void warn(std::string_view text) override;
  void begin(std::string_view what, int64_t total) override;
  void advance(int64_t done) override;
  void end() override;

 private:
  py::object method(const char* name) const;
  py::object listener_;
};

/// While the outermost one lives, Ctrl-C asks the library to stop as well as Python, unless it is
/// ignored.
class Interruptible {
 public:
  Interruptible();
  ~Interruptible();
  Interruptible(const Interruptible&) = delete;
  Interruptible& operator=(const Interruptible&) = delete;

 private:
  bool installed_ = false;
  struct sigaction before_ {};
};

/// Runs `work` without Python's lock, so that other threads go on and callbacks can take it.
template <typename Work>
auto released(Work&& work) {
  const py::gil_scoped_release release;
  return work();
}

/// The same, interruptible: for the calls that Python begins.
template <typename Work>
auto unlocked(Work&& work) {
  const Interruptible interruptible;
  return released(std::forward<Work>(work));
}

/// A Python function that tables of the library hold for as long as the process lives. It is never
/// freed: the tables outlive the interpreter.
class KeptFunction {
 public:
  explicit KeptFunction(const py::function& function) : function_(new py::function(function)) {}
  const py::function& get() const { return *function_; }

 private:
  py::function* function_;
};

}  // namespace mop::python
