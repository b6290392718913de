// python/jobs.cc -- the verbs of the program as functions.
#include <pybind11/stl.h>
#include <pybind11/stl/filesystem.h>

#include "base/error.h"
#include "jobs/check.h"
#include "jobs/eval_tasks.h"
#include "jobs/eval_text.h"
#include "jobs/export_model.h"
#include "jobs/prune.h"
#include "jobs/recover.h"
#include "jobs/report.h"
#include "jobs/tasks.h"
#include "python/bindings.h"
#include "recipe/catalog.h"
#include "run/describe.h"
#include "run/model_source.h"
#include "run/runtime.h"

namespace mop::python {
namespace {

using namespace py::literals;
namespace fs = std::filesystem;

// Runs a job that needs a listener, without Python's lock, and hands over what it says.
template <typename Job>
py::object answer(const py::object& listener, Job&& job) {
  PythonProgress progress(listener);
  return to_python(unlocked([&] { return job(progress); }));
}

IfThere if_there(bool resume, bool force) {
  return resume ? IfThere::kResume : force ? IfThere::kReplace : IfThere::kRefuse;
}

py::dict score_model(const std::string& model, const std::vector<std::string>& criteria,
                     const fs::path& calibration, const SampleOptions& samples,
                     const ComputeChoice& compute, const py::object& listener) {
  PythonProgress progress(listener);
  const Scores scores = unlocked([&] {
    const ScoreJob job{local_model(model, progress), calibration, {}, criteria, samples, compute};
    return score_units(job, progress);
  });
  py::dict result;
  for (const std::string& name : criteria) {
    py::list layers;
    for (int64_t i = 0; i < scores.about["layers"].get<int64_t>(); ++i) {
      layers.append(scores.tensors.at(fmt::format("{}.{}", name, i)));
    }
    result[py::str(name)] = layers;
  }
  return result;
}

SampleOptions sample_options(int64_t samples, bool random, uint64_t seed, int64_t max_tokens) {
  return {samples, random, seed, max_tokens};
}

void bind_prune(py::module_& module) {
  module.def(
      "prune",
      [](const py::object& recipe, const fs::path& out, bool resume, bool force,
         const py::object& progress) {
        const Recipe read = recipe_from_json(from_python(recipe));
        return answer(progress, [&](Progress& p) {
          return prune(read, {out, if_there(resume, force)}, p);
        });
      },
      "recipe"_a, "out"_a, py::kw_only(), "resume"_a = false, "force"_a = false,
      "progress"_a = py::none());
  module.def(
      "dry_run",
      [](const py::object& recipe, const py::object& progress) {
        const Recipe read = recipe_from_json(from_python(recipe));
        return answer(progress, [&](Progress& p) { return dry_run(read, p); });
      },
      "recipe"_a, py::kw_only(), "progress"_a = py::none());
  module.def(
      "read_recipe", [](const fs::path& path) { return to_python(read_recipe(path)); }, "path"_a);
  module.def(
      "set_in_recipe",
      [](const py::object& recipe, const std::string& key, const py::object& value) {
        Json json = from_python(recipe);
        set(json, key, from_python(value));
        return to_python(json);
      },
      "recipe"_a, "key"_a, "value"_a);
}

void bind_recover(py::module_& module) {
  module.def(
      "recover",
      [](const py::object& recipe, const fs::path& out, bool resume, bool force,
         const py::object& progress) {
        const RecoverRecipe read = recover_recipe(from_python(recipe));
        return answer(progress, [&](Progress& p) {
          return recover(read, {out, if_there(resume, force)}, p);
        });
      },
      "recipe"_a, "out"_a, py::kw_only(), "resume"_a = false, "force"_a = false,
      "progress"_a = py::none());
  module.def(
      "train",
      [](const fs::path& config, const fs::path& tokenizer, const py::object& recipe,
         const fs::path& out, bool resume, bool force, const py::object& progress) {
        const TrainJob job{config, tokenizer, train_recipe(from_python(recipe))};
        return answer(progress, [&](Progress& p) {
          return train(job, {out, if_there(resume, force)}, p);
        });
      },
      "config"_a, "tokenizer"_a, "recipe"_a, "out"_a, py::kw_only(), "resume"_a = false,
      "force"_a = false, "progress"_a = py::none());
}

void bind_check(py::module_& module) {
  module.def(
      "check",
      [](const std::string& model, const std::vector<std::string>& readers,
         const std::string& python, const std::string& dtype, const py::object& progress) {
        return answer(progress, [&](Progress& p) {
          CheckJob job;
          job.model = local_model(model, p);
          job.with = readers;
          job.python = python;
          job.dtype = dtype;
          return check(job, p);
        });
      },
      "model"_a, py::kw_only(), "readers"_a = std::vector<std::string>(), "python"_a = "",
      "dtype"_a = "float32", "progress"_a = py::none());
}

void bind_export(py::module_& module) {
  module.def(
      "export_model",
      [](const std::string& model, const fs::path& out, const std::string& format,
         const std::string& dtype, const fs::path& adapter, bool force,
         const py::object& progress) {
        return answer(progress, [&](Progress& p) {
          ExportJob job;
          job.model = local_model(model, p);
          job.adapter = adapter;
          job.out = out;
          job.format = format;
          job.dtype = dtype;
          job.force = force;
          return export_model(job, p);
        });
      },
      "model"_a, "out"_a, py::kw_only(), "format"_a, "dtype"_a = "", "adapter"_a = fs::path(),
      "force"_a = false, "progress"_a = py::none());
}

void bind_evaluate(py::module_& module) {
  module.def(
      "evaluate",
      [](const std::string& model, const fs::path& text, const std::string& protocol, int64_t limit,
         const std::string& versus, const std::string& device, const std::string& dtype,
         const py::object& progress) {
        return answer(progress, [&](Progress& p) {
          EvalTextJob job;
          job.model = local_model(model, p);
          job.text = text;
          job.protocol = protocol;
          job.limit = limit;
          if (!versus.empty()) job.versus = local_model(versus, p);
          job.compute = {device, dtype};
          return evaluate(job, p);
        });
      },
      "model"_a, "text"_a, py::kw_only(), "protocol"_a = "lines", "limit"_a = 0, "versus"_a = "",
      "device"_a = "cpu", "dtype"_a = "", "progress"_a = py::none());
  module.def(
      "evaluate_tasks",
      [](const std::string& model, const std::vector<std::string>& tasks, const fs::path& data,
         const fs::path& images, int64_t limit, const std::string& bos, int64_t fewshot,
         const std::string& device, const std::string& dtype, const py::object& progress) {
        return answer(progress, [&](Progress& p) {
          EvalTasksJob job;
          job.model = local_model(model, p);
          job.data = data;
          job.images = images;
          job.tasks = tasks;
          job.limit = limit;
          job.bos = bos;
          job.fewshot = fewshot;
          job.compute = {device, dtype};
          return eval_tasks(job, p);
        });
      },
      "model"_a, "tasks"_a, "data"_a, py::kw_only(), "images"_a = fs::path(), "limit"_a = 0,
      "bos"_a = "auto", "fewshot"_a = 0, "device"_a = "cpu", "dtype"_a = "",
      "progress"_a = py::none());
}

void bind_generate(py::module_& module) {
  module.def(
      "generate",
      [](const std::string& model, const std::string& prompt, const std::vector<fs::path>& images,
         bool chat, const std::string& system, const fs::path& adapter, int64_t max_new_tokens,
         double temperature, uint64_t seed, const std::string& device, const std::string& dtype,
         const py::object& progress) {
        return answer(progress, [&](Progress& p) {
          GenerateJob job;
          job.model = local_model(model, p);
          job.adapter = adapter;
          job.prompt = prompt;
          job.chat = chat;
          job.system = system;
          job.images = images;
          job.max_new_tokens = max_new_tokens;
          job.temperature = temperature;
          job.seed = seed;
          job.compute = {device, dtype};
          return generate_text(job, p);
        });
      },
      "model"_a, "prompt"_a, py::kw_only(), "images"_a = std::vector<fs::path>(), "chat"_a = false,
      "system"_a = "", "adapter"_a = fs::path(), "max_new_tokens"_a = 128, "temperature"_a = 0.0,
      "seed"_a = 0, "device"_a = "cpu", "dtype"_a = "", "progress"_a = py::none());
}

void bind_accounts(py::module_& module) {
  module.def(
      "report",
      [](const std::vector<fs::path>& sources, const fs::path& out) {
        return to_python(unlocked([&] { return report({sources, out}).json; }));
      },
      "sources"_a, py::kw_only(), "out"_a = fs::path());
  module.def(
      "inspect",
      [](const std::string& model, const py::object& progress) {
        return answer(progress, [&](Progress& p) { return inspect(local_model(model, p)); });
      },
      "model"_a, py::kw_only(), "progress"_a = py::none());
  module.def(
      "plan_sizes",
      [](const std::string& model, const py::object& recipe, const py::object& progress) {
        const Json json = from_python(recipe);
        return answer(progress, [&](Progress& p) {
          return plan_sizes(local_model(model, p, ModelPart::kConfig), json);
        });
      },
      "model"_a, "recipe"_a, py::kw_only(), "progress"_a = py::none());
  module.def(
      "catalog", [](const std::string& table) { return to_python(catalog(table)); }, "table"_a);
  module.def("catalog_names", &catalog_names);
  module.def("set_threads", &set_threads, "threads"_a);
}

}  // namespace

void bind_jobs(py::module_& module) {
  module.def(
      "score",
      [](const std::string& model, const std::vector<std::string>& criteria,
         const fs::path& calibration, int64_t samples, bool random, uint64_t seed,
         int64_t max_tokens, const std::string& device, const std::string& dtype,
         const py::object& progress) {
        return score_model(model, criteria, calibration,
                           sample_options(samples, random, seed, max_tokens), {device, dtype},
                           progress);
      },
      "model"_a, "criteria"_a, "calibration"_a, py::kw_only(), "samples"_a = 128,
      "random"_a = false, "seed"_a = 0, "max_tokens"_a = 0, "device"_a = "cpu", "dtype"_a = "",
      "progress"_a = py::none());
  bind_prune(module);
  bind_recover(module);
  bind_check(module);
  bind_export(module);
  bind_evaluate(module);
  bind_generate(module);
  bind_accounts(module);
}

}  // namespace mop::python
