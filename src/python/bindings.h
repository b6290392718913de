// python/bindings.h -- the parts of the module, one file each.
#pragma once
#include <memory>
#include <mutex>
#include <string>

#include "model/model.h"
#include "model/weights.h"
#include "python/convert.h"

namespace mop::python {

/// A model in Python's hands, with the tokenizer's folder and the weights it last computed with.
struct PyModel {
  Model model;
  std::string path;
  std::shared_ptr<WeightLoader> weights = nullptr;
  /// Held while `weights` are used: calls from several threads take turns.
  std::shared_ptr<std::mutex> busy = std::make_shared<std::mutex>();
};

py::dict shape_dict(const LayerShape& shape);

void bind_model(py::module_& module);    ///< Model, Tokenizer, load
void bind_jobs(py::module_& module);     ///< score, prune, evaluate, ...
void bind_plugins(py::module_& module);  ///< add_criterion, add_branch, add_selector

}  // namespace mop::python
