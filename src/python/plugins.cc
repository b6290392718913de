// python/plugins.cc -- criteria, branches and selectors written in Python, usable by name like the
// built-in ones. Functions of Python are called with its lock held and see values, not borrowed
// pointers, except where a handle says when it ends.
#include <pybind11/stl.h>

#include <cmath>
#include <functional>

#include "base/error.h"
#include "base/named_table.h"
#include "criteria/criterion.h"
#include "model/family.h"
#include "plan/branch.h"
#include "python/bindings.h"
#include "search/selector.h"
#include "structure/unit.h"
#include "surgery/surgery.h"
#include "tensor/writable_view.h"

namespace mop::python {
namespace {

using namespace py::literals;

/// Calls a function when it goes out of scope, however that happens: handles end with their call.
class AtEnd {
 public:
  explicit AtEnd(std::function<void()> call) : call_(std::move(call)) {}
  ~AtEnd() { call_(); }
  AtEnd(const AtEnd&) = delete;
  AtEnd& operator=(const AtEnd&) = delete;

 private:
  std::function<void()> call_;
};

/// What a criterion sees of one layer.
struct PyScoreInput {
  py::dict stats;    ///< name -> [units], float64
  py::dict weights;  ///< "mlp.down_proj.weight" -> [out, in]
  py::dict shape, options;
  int64_t layer;
};

UnitKind unit_from_name(const std::string& name) {
  std::string known;
  for (const UnitKind kind : {UnitKind::kKvGroup, UnitKind::kNeuron, UnitKind::kLayer,
                              UnitKind::kAttention, UnitKind::kMlp, UnitKind::kChannel}) {
    if (unit_name(kind) == name) return kind;
    known += (known.empty() ? "" : ", ") + std::string(unit_name(kind));
  }
  throw usage_error("unknown unit '{}'", name).hint("known: " + known);
}

OptionValue value_from_json(const std::string& name, const Json& value) {
  if (value.is_boolean()) return value.get<bool>();
  if (value.is_number_integer()) return value.get<int64_t>();
  if (value.is_number()) return value.get<double>();
  if (value.is_string()) return value.get<std::string>();
  throw usage_error("option {} needs a default that is a flag, a number or a text, got {}", name,
                    value.dump());
}

// {name: default} or {name: {default, least | above, most | below, choices, help}}
std::vector<OptionSpec> options_from_python(const py::object& declared) {
  const Json json = from_python(declared);
  std::vector<OptionSpec> specs;
  for (const auto& [name, value] : json.items()) {
    const Json fields = value.is_object() ? value : Json{{"default", value}};
    OptionSpec spec;
    spec.name = name;
    spec.default_value = value_from_json(name, fields.value("default", Json()));
    spec.type = OptionType(spec.default_value->index());
    spec.help = fields.value("help", "");
    spec.range = range_from_json(fields);
    specs.push_back(std::move(spec));
  }
  return specs;
}

PyScoreInput score_input(const ScoreInput& in, const Criterion& declared) {
  PyScoreInput result;
  for (const Stat stat : declared.needs) {
    result.stats[py::str(std::string(stat_row(stat).name))] =
        in.stats.mean(stat, stat_row(stat).units(in.config, in.shape));
  }
  for (const LayerTensor* tensor : tensors_of_layer(in.config, in.shape)) {
    const at::Tensor& weight = in.weights[tensor->role];
    if (!weight.defined()) continue;
    result.weights[py::str(std::string(tensor->suffix))] = writable_view(weight);
  }
  result.shape = shape_dict(in.shape);
  result.options = to_python(filled_in(in.options, declared.options));
  result.layer = in.layer;
  return result;
}

void add_python_criterion(const std::string& name, const std::string& unit,
                          const py::function& score, const std::vector<std::string>& needs,
                          bool reads_weights, const std::string& summary, const py::object& options,
                          const std::string& source) {
  Criterion criterion{.name = name,
                      .summary = summary,
                      .unit = unit_from_name(unit),
                      .reads_weights = reads_weights,
                      .source = source,
                      .options = options_from_python(options)};
  for (const std::string& need : needs) {
    criterion.needs.push_back(find_by_name(all_statistics(), need, "statistic").stat);
  }
  const KeptFunction kept(score);
  criterion.score = [kept, declared = criterion](const ScoreInput& in) {
    const py::gil_scoped_acquire lock;
    const py::object scores = kept.get()(score_input(in, declared));
    const py::object as_tensor = py::module_::import("torch").attr("as_tensor");
    return as_tensor(scores).cast<at::Tensor>().detach().to(at::kCPU, at::kDouble).contiguous();
  };
  add_criterion(std::move(criterion));
}

/// What a branch sees. `scores` works while the branch proposes.
struct PyBranchInput {
  py::dict options;
  py::list layers;  ///< shapes of the current model
  int64_t budget;
  std::vector<int32_t> protect, sources;
  std::shared_ptr<PyModel> model;  ///< null while sizes are counted
  std::shared_ptr<Measure*> measure;
};

PyBranchInput branch_input(const BranchInput& in, const std::vector<OptionSpec>& declared) {
  PyBranchInput result;
  result.options = to_python(filled_in(in.options, declared));
  for (const LayerShape& shape : in.config.layers) result.layers.append(shape_dict(shape));
  result.budget = in.budget;
  result.protect = in.protect;
  result.sources = in.sources;
  return result;
}

std::vector<at::Tensor> branch_scores(const PyBranchInput& in, const std::string& criterion) {
  if (!in.measure || *in.measure == nullptr) {
    throw usage_error("scores are there only while a branch proposes");
  }
  return released([&] { return (*in.measure)->scores(criterion); });
}

// {"layers": [shape, ..], "removed_layers": [current index, ..]}
ShapeStep shape_step(const py::object& answer) {
  const Json json = from_python(answer);
  ShapeStep step;
  for (const Json& layer : json.at("layers")) {
    step.layers.push_back(
        {require<int64_t>(layer, "heads", "count"), require<int64_t>(layer, "kv_heads", "count"),
         require<int64_t>(layer, "head_dim", "count"), require<int64_t>(layer, "mlp", "count")});
  }
  step.removed_layers = json.value("removed_layers", std::vector<int32_t>());
  return step;
}

// A list of removals as in plan.json; the number of parameters follows from them.
PlanStep plan_step(const py::object& answer, const std::string& branch, const Model& model) {
  Json json = {{"branch", branch}, {"parameters", 0}, {"layers", from_python(answer)}};
  PlanStep step = step_from_json(json, "branch " + branch);
  step.parameters = total_parameters(apply(step, model).config());
  return step;
}

void add_python_branch(const std::string& letter, const std::string& name,
                       const py::function& count, const py::function& propose,
                       const std::vector<std::string>& criteria, bool divisible,
                       const std::string& summary, const py::object& options,
                       const std::string& source) {
  if (letter.size() != 1) throw usage_error("a branch has one letter, got '{}'", letter);
  Branch branch{.letter = letter[0],
                .name = name,
                .summary = summary,
                .count = nullptr,
                .propose = nullptr,
                .divisible = divisible,
                .source = source,
                .options = options_from_python(options)};
  const KeptFunction kept_count(count), kept_propose(propose);
  branch.count = [kept_count, declared = branch.options](const BranchInput& in) {
    const py::gil_scoped_acquire lock;
    return shape_step(kept_count.get()(branch_input(in, declared)));
  };
  branch.propose = [kept_propose, name, declared = branch.options](
                       const BranchInput& in, const Model& model, Measure& measure) {
    const py::gil_scoped_acquire lock;
    PyBranchInput input = branch_input(in, declared);
    input.sources = layer_sources(model);
    input.model = std::make_shared<PyModel>(PyModel{model, model.checkpoint().folder().string()});
    input.measure = std::make_shared<Measure*>(&measure);
    const AtEnd forget([borrowed = input.measure] { *borrowed = nullptr; });
    return plan_step(kept_propose.get()(input), name, model);
  };
  branch.criteria = [criteria](const ModelConfig&, const Options&) { return criteria; };
  add_branch(std::move(branch));
}

/// A choice to be made, valid while the selector runs.
class PyChoice {
 public:
  PyChoice(const SelectInput& input, std::string argument)
      : argument(std::move(argument)), input_(&input) {}
  void close() { input_ = nullptr; }

  int64_t step() const { return input().step; }
  double random() const { return input().random.uniform(); }
  py::list candidates() const {
    py::list list;
    for (Candidate* candidate : input().candidates) {
      const std::string obstacle = candidate->obstacle();
      list.append(py::dict("letter"_a = std::string(1, candidate->branch().letter),
                           "name"_a = candidate->branch().name, "obstacle"_a = obstacle));
    }
    return list;
  }
  py::object plan(size_t index) const {
    Candidate& chosen = candidate(index);
    return to_python(released([&] { return to_json(chosen.step()); }));
  }
  PyModel model(size_t index) const {
    Candidate& chosen = candidate(index);
    const Model model = released([&] { return chosen.model(); });
    return {model, model.checkpoint().folder().string()};
  }
  py::list validate(const std::vector<size_t>& indices) {
    std::vector<Candidate*> judged;
    for (const size_t i : indices) judged.push_back(&candidate(i));
    const std::vector<Validation> figures = released([&] { return input().validate(judged); });
    if (scores.empty()) scores.assign(input().candidates.size(), {NAN, NAN, NAN});
    py::list result;
    for (size_t i = 0; i < indices.size(); ++i) {
      scores[indices[i]] = figures[i];
      result.append(py::dict("nll"_a = figures[i].nll, "kl"_a = figures[i].kl,
                             "cosine"_a = figures[i].cosine));
    }
    return result;
  }

  std::string argument;
  std::vector<Validation> scores;

 private:
  const SelectInput& input() const {
    if (input_ == nullptr) throw usage_error("a choice is there only while its selector runs");
    return *input_;
  }
  Candidate& candidate(size_t index) const {
    if (index >= input().candidates.size()) {
      throw usage_error("there are {} candidates, {} was asked for", input().candidates.size(),
                        index);
    }
    return *input().candidates[index];
  }
  const SelectInput* input_;
};

void add_python_selector(const std::string& name, const py::function& choose, bool needs_validation,
                         const std::string& summary, const std::string& source) {
  const KeptFunction kept(choose);
  Selector selector{.name = name,
                    .summary = summary,
                    .needs_validation = needs_validation,
                    .choose = nullptr,
                    .check = nullptr,
                    .source = source};
  selector.choose = [kept, name](const SelectInput& input, const std::string& argument) {
    const py::gil_scoped_acquire lock;
    const auto choice = std::make_shared<PyChoice>(input, argument);
    const AtEnd close([choice] { choice->close(); });
    const auto chosen = kept.get()(choice).cast<int64_t>();
    if (chosen < 0 || chosen >= static_cast<int64_t>(input.candidates.size())) {
      throw bad_input("selector '{}' chose {} of {} candidates", name, chosen,
                      input.candidates.size());
    }
    return Selection{static_cast<size_t>(chosen), choice->scores};
  };
  selector.check = [](const std::string&, std::span<const Branch* const>) {};
  add_selector(std::move(selector));
}

void bind_inputs(py::module_& module) {
  py::class_<PyScoreInput>(module, "ScoreInput", "One layer, as a criterion sees it.")
      .def_readonly("stats", &PyScoreInput::stats)
      .def_readonly("weights", &PyScoreInput::weights)
      .def_readonly("shape", &PyScoreInput::shape)
      .def_readonly("options", &PyScoreInput::options)
      .def_readonly("layer", &PyScoreInput::layer);
  py::class_<PyBranchInput>(module, "BranchInput", "The current model, as a branch sees it.")
      .def_readonly("options", &PyBranchInput::options)
      .def_readonly("layers", &PyBranchInput::layers)
      .def_readonly("budget", &PyBranchInput::budget)
      .def_readonly("protect", &PyBranchInput::protect)
      .def_readonly("sources", &PyBranchInput::sources)
      .def_property_readonly("model",
                             [](const PyBranchInput& in) -> py::object {
                               return in.model ? py::cast(*in.model) : py::none();
                             })
      .def("scores", &branch_scores, "criterion"_a);
  py::class_<PyChoice, std::shared_ptr<PyChoice>>(module, "Choice", "A selector's question.")
      .def_property_readonly("step", &PyChoice::step)
      .def_property_readonly("candidates", &PyChoice::candidates)
      .def_readonly("argument", &PyChoice::argument)
      .def("random", &PyChoice::random)
      .def("plan", &PyChoice::plan, "index"_a)
      .def("model", &PyChoice::model, "index"_a)
      .def("validate", &PyChoice::validate, "indices"_a);
}

}  // namespace

void bind_plugins(py::module_& module) {
  bind_inputs(module);
  module.def("add_criterion", &add_python_criterion, "name"_a, "unit"_a, "score"_a, py::kw_only(),
             "needs"_a = std::vector<std::string>(), "reads_weights"_a = true, "summary"_a = "",
             "options"_a = py::dict(), "source"_a = "");
  module.def("add_branch", &add_python_branch, "letter"_a, "name"_a, "count"_a, "propose"_a,
             py::kw_only(), "criteria"_a = std::vector<std::string>(), "divisible"_a = true,
             "summary"_a = "", "options"_a = py::dict(), "source"_a = "");
  module.def("add_selector", &add_python_selector, "name"_a, "choose"_a, py::kw_only(),
             "needs_validation"_a = false, "summary"_a = "", "source"_a = "");
}

}  // namespace mop::python
