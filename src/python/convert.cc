// python/convert.cc
#include "python/convert.h"

#include <new>

#include "base/error.h"
#include "base/library_error.h"
#include "base/parse_json.h"
#include "tensor/device_error.h"

namespace mop::python {
namespace {

const char* exception_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return "UsageError";
    case ErrorKind::kBadInput:
      return "BadInputError";
    case ErrorKind::kIo:
      return "IoError";
    default:
      return "InternalError";
  }
}

void raise(const Error& error) {
  if (error.kind() == ErrorKind::kInterrupted) {
    // Python's own handler says what Ctrl-C means; its default raises KeyboardInterrupt itself.
    if (PyErr_CheckSignals() == 0) PyErr_SetNone(PyExc_KeyboardInterrupt);
    return;
  }
  const py::object type = py::module_::import("mop.errors").attr(exception_name(error.kind()));
  py::set_error(type, error.what());
}

void translate(std::exception_ptr pointer) {
  try {
    if (pointer) std::rethrow_exception(pointer);
  } catch (const Error& error) {
    raise(error);
  } catch (const py::builtin_exception&) {
    throw;  // pybind11's own, which stand for Python's
  } catch (const py::error_already_set&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;  // MemoryError
  } catch (const std::exception& e) {
    std::optional<Error> error = device_error(e);
    if (!error) error = library_error(e);
    if (!error) throw;
    raise(*error);
  }
}

void on_interrupt(int signal) {
  request_stop(signal);
  PyErr_SetInterruptEx(signal);
}

// Signals reach Python in its main thread alone; elsewhere there is nothing to catch.
bool in_main_thread() {
  const py::module_ threading = py::module_::import("threading");
  return threading.attr("current_thread")().is(threading.attr("main_thread")());
}

bool catching = false;  // guarded by Python's lock

}  // namespace

py::object to_python(const Json& value) {
  return py::module_::import("json").attr("loads")(
      value.dump(-1, ' ', false, Json::error_handler_t::replace));
}

Json from_python(const py::object& value) {
  using namespace py::literals;
  const py::object as_text = py::module_::import("os").attr("fspath");
  const py::object text = py::module_::import("json").attr("dumps")(value, "default"_a = as_text);
  return parse_json(text.cast<std::string>());
}

void register_errors() { py::register_local_exception_translator(translate); }

py::object PythonProgress::method(const char* name) const {
  return listener_.is_none() ? py::none() : py::getattr(listener_, name, py::none());
}

void PythonProgress::note(std::string_view text) {
  const py::gil_scoped_acquire lock;
  if (const py::object call = method("note"); !call.is_none())
    call(py::str(text.data(), text.size()));
}

void PythonProgress::warn(std::string_view text) {
  const py::gil_scoped_acquire lock;
  const py::str line(text.data(), text.size());
  if (listener_.is_none()) {
    using namespace py::literals;
    // Two up: not mop's own function, but the line that called it.
    py::module_::import("warnings").attr("warn")(line, "stacklevel"_a = 2);
  } else if (const py::object call = method("warn"); !call.is_none()) {
    call(line);
  }
}

void PythonProgress::begin(std::string_view what, int64_t total) {
  const py::gil_scoped_acquire lock;
  if (const py::object call = method("begin"); !call.is_none())
    call(py::str(what.data(), what.size()), total);
}

void PythonProgress::advance(int64_t done) {
  const py::gil_scoped_acquire lock;
  if (const py::object call = method("advance"); !call.is_none()) call(done);
}

void PythonProgress::end() {
  const py::gil_scoped_acquire lock;
  if (const py::object call = method("end"); !call.is_none()) call();
}

Interruptible::Interruptible() {
  if (catching || !in_main_thread()) return;
  // Who ignores Ctrl-C, as the workers of a pool do, goes on ignoring it.
  if (::sigaction(SIGINT, nullptr, &before_) != 0 || before_.sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_handler = on_interrupt;
  installed_ = catching = ::sigaction(SIGINT, &action, &before_) == 0;
}

Interruptible::~Interruptible() {
  if (!installed_) return;
  ::sigaction(SIGINT, &before_, nullptr);
  request_stop(0);
  catching = false;
}

}  // namespace mop::python
