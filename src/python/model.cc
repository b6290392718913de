// python/model.cc -- Model and Tokenizer.
#include <ATen/core/grad_mode.h>
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include <mutex>

#include "base/error.h"
#include "export/hf_writer.h"
#include "model/forward.h"
#include "model/generate.h"
#include "model/generation_config.h"
#include "plan/plan.h"
#include "python/bindings.h"
#include "run/model_source.h"
#include "run/open_model.h"
#include "run/runtime.h"
#include "surgery/surgery.h"
#include "tensor/mapped_file.h"
#include "tensor/writable_view.h"
#include "text/tokenizer.h"

namespace mop::python {
namespace {

using namespace py::literals;
namespace fs = std::filesystem;

PyModel load(const std::string& text, const py::object& listener) {
  PythonProgress progress(listener);
  return unlocked([&] {
    const fs::path path = local_model(text, progress);
    return PyModel{open_dense(path, progress), path.string()};
  });
}

// Call with `busy` held.
WeightLoader& loader(PyModel& self, const std::string& device, const std::string& dtype) {
  const Compute compute = open_compute(device, dtype);
  if (!self.weights || self.weights->compute().dtype != compute.dtype ||
      self.weights->compute().device != compute.device) {
    self.weights = std::make_shared<WeightLoader>(self.model, compute);
  }
  return *self.weights;
}

at::Tensor logits_of(PyModel& self, const at::Tensor& ids, const std::string& device,
                     const std::string& dtype) {
  if (ids.dim() != 1 || ids.numel() == 0) {
    throw usage_error("ids must be one sequence, [tokens], got {} dimensions and {} ids", ids.dim(),
                      ids.numel());
  }
  return unlocked([&] {
    const at::NoGradGuard no_grad;
    const at::Tensor ids_N = ids.to(at::kCPU, at::kLong).contiguous();
    const std::lock_guard turn(*self.busy);
    WeightLoader& weights = loader(self, device, dtype);
    ForwardOptions options;
    options.after_layer = [](int64_t) { check_stop(); };
    const at::Tensor hidden_ND = run_layers(weights, ids_N, {{ids_N.numel()}}, options);
    at::Tensor result = logits(weights.globals(), self.model.config(), hidden_ND);
    check_mappings();
    return result;
  });
}

std::vector<int64_t> generate_ids(PyModel& self, const std::vector<int64_t>& prompt,
                                  GenerateOptions options, const std::string& device,
                                  const std::string& dtype) {
  options.on_token = [](int64_t) {
    check_stop();
    return true;
  };
  return unlocked([&] {
    const std::lock_guard turn(*self.busy);
    return generate(loader(self, device, dtype), prompt, options);
  });
}

py::list layers_of(const PyModel& self) {
  py::list layers;
  for (size_t i = 0; i < self.model.layers().size(); ++i) {
    const Layer& layer = self.model.layers()[i];
    py::dict dict = shape_dict(self.model.config().layers[i]);
    dict["source"] = layer.source;
    dict["kept_heads"] = layer.heads;
    dict["kept_kv_heads"] = layer.kv_heads;
    dict["kept_neurons"] = layer.neurons;
    layers.append(dict);
  }
  return layers;
}

std::vector<std::string> notes_of(const PyModel& self) {
  std::vector<std::string> notes = self.model.config().notes;
  const std::string generation = generation_note(self.model.checkpoint().folder());
  if (!generation.empty()) notes.push_back(generation);
  return notes;
}

// A step or a whole plan, as plan.json holds them.
PyModel apply_plan(const PyModel& self, const py::object& plan) {
  const Json json = from_python(plan);
  return unlocked([&] {
    if (json.contains("steps")) {
      return PyModel{apply(plan_from_json(json, "the plan"), self.model), self.path};
    }
    const PlanStep step = step_from_json(json, "the step");
    PyModel result{apply(step, self.model), self.path};
    verify(result.model, step.parameters);
    return result;
  });
}

void check_saving(const PyModel& self, const fs::path& folder, bool force) {
  std::error_code error;
  if (fs::equivalent(folder, self.model.checkpoint().folder(), error)) {
    throw usage_error("a model cannot be saved into its own folder")
        .where("folder", folder.string());
  }
  if (force || !fs::exists(folder / "config.json")) return;
  throw usage_error("the folder already holds a model")
      .where("folder", folder.string())
      .hint("force=True replaces it");
}

void save(const PyModel& self, const fs::path& folder, bool force, const py::object& listener) {
  PythonProgress progress(listener);
  unlocked([&] {
    check_saving(self, folder, force);
    fs::create_directories(folder);
    write_hf(self.model, folder, {}, progress);
    verify_written(folder, self.model, progress);
  });
}

std::string representation(const PyModel& self) {
  return fmt::format("<mop.Model {} {}, {} layers, {} parameters>",
                     self.model.config().family->name, self.path, self.model.num_layers(),
                     total_parameters(self.model.config()));
}

void bind_tokenizer(py::module_& module) {
  py::class_<Tokenizer, std::shared_ptr<Tokenizer>>(module, "Tokenizer",
                                                    "Text to ids and back, as transformers does.")
      .def(
          "encode",
          [](const Tokenizer& self, const std::string& text, bool special) {
            return self.encode(text, special ? Special::kDefault : Special::kNone);
          },
          "text"_a, py::kw_only(), "special"_a = true,
          "Ids of a text; with `special` what the tokenizer's own rule adds.")
      .def("decode", &Tokenizer::decode, "ids"_a, py::kw_only(), "skip_special"_a = true)
      .def_property_readonly("vocab", &Tokenizer::vocab)
      .def_property_readonly("bos", &Tokenizer::bos)
      .def_property_readonly("eos", &Tokenizer::eos)
      .def_property_readonly("kind", &Tokenizer::kind);
}

void bind_facts(py::class_<PyModel>& model) {
  model.def_property_readonly("path", [](const PyModel& m) { return fs::path(m.path); })
      .def_property_readonly(
          "family", [](const PyModel& m) { return std::string(m.model.config().family->name); })
      .def_property_readonly("parameters",
                             [](const PyModel& m) { return total_parameters(m.model.config()); })
      .def_property_readonly("block_parameters",
                             [](const PyModel& m) { return block_parameters(m.model.config()); })
      .def_property_readonly("context", [](const PyModel& m) { return m.model.config().context; })
      .def_property_readonly("layers", &layers_of,
                             "Sizes of each layer, and which of its source's units are kept.")
      .def_property_readonly("config",
                             [](const PyModel& m) { return to_python(hf_config(m.model)); })
      .def_property_readonly("tokenizer",
                             [](const PyModel& m) {
                               return std::const_pointer_cast<Tokenizer>(open_tokenizer(m.path));
                             })
      .def_property_readonly("notes", &notes_of,
                             "What one should know of the model's files, a line each: also what "
                             "they ask of generation and do not get here.")
      .def("tensor_names", [](const PyModel& m) { return m.model.checkpoint().names(); })
      .def(
          "tensor",
          [](const PyModel& m, const std::string& name) {
            return writable_view(m.model.checkpoint().tensor(name));
          },
          "name"_a,
          "A tensor of the checkpoint, as stored: the mapped file, without a copy. Pages that are "
          "written to become your own: neither the file nor the model changes.")
      .def("__repr__", &representation);
}

}  // namespace

py::dict shape_dict(const LayerShape& shape) {
  return py::dict("heads"_a = shape.heads, "kv_heads"_a = shape.kv_heads,
                  "head_dim"_a = shape.head_dim, "mlp"_a = shape.mlp);
}

void bind_model(py::module_& module) {
  bind_tokenizer(module);
  py::class_<PyModel> model(module, "Model", "A model as a cheap value over its mapped file.");
  bind_facts(model);
  model
      .def("logits", &logits_of, "ids"_a, py::kw_only(), "device"_a = "cpu", "dtype"_a = "",
           "Logits behind every token of one sequence: [tokens] -> [tokens, vocabulary].")
      .def(
          "generate",
          [](PyModel& self, const std::vector<int64_t>& prompt, int64_t max_new_tokens,
             double temperature, uint64_t seed, const std::string& device,
             const std::string& dtype) {
            GenerateOptions options;
            options.max_new_tokens = max_new_tokens;
            options.temperature = temperature;
            options.seed = seed;
            return generate_ids(self, prompt, std::move(options), device, dtype);
          },
          "prompt"_a, py::kw_only(), "max_new_tokens"_a = 128, "temperature"_a = 0.0, "seed"_a = 0,
          "device"_a = "cpu", "dtype"_a = "", "The ids that follow those of the prompt.")
      .def("apply", &apply_plan, "plan"_a,
           "The model after a plan or one step of it, as plan.json holds them. No weights move.")
      .def("save", &save, "folder"_a, py::kw_only(), "force"_a = false, "progress"_a = py::none(),
           "Writes a Hugging Face folder and reads it back. `force` replaces another model's.");
  module.def("load", &load, "model"_a, py::kw_only(), "progress"_a = py::none());
  module.def(
      "local_model",
      [](const std::string& text, const py::object& listener) {
        PythonProgress progress(listener);
        return unlocked([&] { return local_model(text, progress); });
      },
      "model"_a, py::kw_only(), "progress"_a = py::none());
}

}  // namespace mop::python
