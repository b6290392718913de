// tests/properties/pruning_test.cc -- promises of the pruning core in every family: random plans
// applied, replayed, written, read and compared with the plain reference.
#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/random.h"
#include "kit/random_model.h"
#include "model/weights.h"
#include "plan/accounting.h"
#include "plan/branch.h"
#include "reference/slow_surgery.h"
#include "surgery/surgery.h"

namespace mop::testing {
namespace {

class RandomScores : public Measure {
 public:
  RandomScores(const ModelConfig& config, uint64_t seed) : config_(config), random_(seed) {}
  const std::vector<at::Tensor>& scores(const std::string& criterion) override {
    std::vector<at::Tensor>& scores = scores_[criterion];
    if (!scores.empty()) return scores;
    for (const LayerShape& shape : config_.layers) {
      at::Tensor layer = at::empty({num_units(find_criterion(criterion).unit, shape)}, at::kDouble);
      for (int64_t i = 0; i < layer.numel(); ++i) layer[i] = random_.uniform();
      scores.push_back(layer);
    }
    return scores;
  }

  // Rising, in random order.
  const std::vector<LayerCurves>& curves(const CurveSettings&) override {
    if (!curves_.empty()) return curves_;
    for (const LayerShape& shape : config_.layers) {
      curves_.emplace_back();
      curves_.back().kv_groups = random_curve(shape.kv_heads);
      curves_.back().neurons = random_curve(shape.mlp);
    }
    return curves_;
  }

 private:
  DamageCurve random_curve(int64_t units) {
    DamageCurve curve;
    for (const int64_t unit : random_.sample(units, units)) {
      curve.order.push_back(static_cast<int32_t>(unit));
      curve.damage.push_back((curve.damage.empty() ? 0 : curve.damage.back()) + random_.uniform());
    }
    return curve;
  }

  const ModelConfig& config_;
  Random random_;
  std::vector<LayerCurves> curves_;
  std::map<std::string, std::vector<at::Tensor>> scores_;
};

struct Pruned {
  PrunePlan plan;
  Model model;
};

Pruned run_path(const Model& dense, const std::string& path, uint64_t seed) {
  Pruned run{{"", total_parameters(dense.config()), {}}, dense};
  std::map<char, Owed> owed;
  const Options options("branch", {{"halves", true}});
  for (const char letter : path) {
    const ModelConfig& config = run.model.config();
    RandomScores scores(config, seed++);
    const BranchInput input{config, layer_worth(config), owed[letter], options, {}, {}};
    PlanStep step = find_branch(letter).propose(input, run.model, scores);
    run.model = apply(step, run.model);
    verify(run.model, step.parameters);
    owed[letter] = step.owed;
    run.plan.steps.push_back(std::move(step));
  }
  return run;
}

class Pruning : public ::testing::TestWithParam<std::string> {
 protected:
  Pruning() {
    RandomModel what;
    what.family = GetParam();
    what.layers = 6;
    what.heads = 8;
    what.kv_heads = 4;
    write_random_model(folder_.path(), what);
    dense_ = Model::open(folder_.path());
  }
  TempFolder folder_;
  Model dense_;
};

constexpr const char* kPaths[] = {"LGGL", "GGGG", "LLL", "GLGLG"};
// Which halves go is not known on paper.
constexpr const char* kHalfPaths[] = {"AM", "AMGD", "DDAL", "MGLA"};

TEST_P(Pruning, APlanOnPaperGivesTheSameModel) {
  uint64_t seed = 1;
  std::vector<std::string> paths(std::begin(kPaths), std::end(kPaths));
  paths.insert(paths.end(), std::begin(kHalfPaths), std::end(kHalfPaths));
  for (const std::string& path : paths) {
    const Pruned run = run_path(dense_, path, seed += 100);
    const PrunePlan read = plan_from_json(Json::parse(to_text(to_json(run.plan))), "plan.json");
    const Model replayed = apply(read, dense_);
    ASSERT_EQ(replayed.num_layers(), run.model.num_layers());
    for (size_t i = 0; i < replayed.layers().size(); ++i) {
      EXPECT_TRUE(replayed.layers()[i].same_as(run.model.layers()[i])) << path << " layer " << i;
    }
  }
}

TEST_P(Pruning, AccountingPredictsEveryStep) {
  for (const char* path : kPaths) {
    const Pruned run = run_path(dense_, path, 5);
    AccountOptions options;
    options.path = path;
    options.target.iterations = static_cast<int64_t>(std::string(path).size());
    const Accounting expected = account(dense_.config(), options);
    ASSERT_EQ(expected.steps.size(), run.plan.steps.size());
    for (size_t i = 0; i < expected.steps.size(); ++i) {
      EXPECT_EQ(run.plan.steps[i].parameters, expected.steps[i].parameters)
          << path << " step " << i;
      EXPECT_EQ(run.plan.steps[i].branch, expected.steps[i].branch);
      EXPECT_EQ(run.plan.steps[i].owed, expected.steps[i].owed);
    }
    EXPECT_EQ(run.model.config().layers, expected.steps.back().layers);
    EXPECT_EQ(layer_sources(run.model), expected.steps.back().sources);
  }
}

TEST_P(Pruning, AccountingPredictsTheParametersOfHalves) {
  const Pruned run = run_path(dense_, "AM", 3);
  AccountOptions options;
  options.path = "AM";
  options.target.iterations = 2;
  const Accounting expected = account(dense_.config(), options);
  for (size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(run.plan.steps[i].parameters, expected.steps[i].parameters) << i;
    EXPECT_EQ(run.plan.steps[i].owed, expected.steps[i].owed) << i;
  }
}

void expect_the_references_bytes(const Model& dense, const Pruned& run) {
  Tensors tensors = all_tensors(dense.checkpoint());
  for (const PlanStep& step : run.plan.steps) {
    tensors = strike_out(std::move(tensors), step, dense.config().layers[0].head_dim);
  }
  tensors = drop_struck_out(std::move(tensors));
  int64_t parameters = 0;
  for (const auto& [name, tensor] : tensors) parameters += tensor.numel();
  EXPECT_EQ(parameters, total_parameters(run.model.config()));
  for (int64_t i = 0; i < run.model.num_layers(); ++i) {
    const auto index = static_cast<size_t>(i);
    for (const LayerTensor* tensor :
         tensors_of_layer(run.model.config(), run.model.config().layers[index])) {
      const std::string name =
          tensor_name(*run.model.config().family, run.model.layers()[index].source, *tensor);
      EXPECT_TRUE(at::equal(stored_tensor(run.model, i, *tensor), tensors.at(name))) << name;
    }
  }
}

TEST_P(Pruning, CutsTheBytesThatThePlainReferenceCuts) {
  expect_the_references_bytes(dense_, run_path(dense_, "GLGG", 9));
  for (const char* path : kHalfPaths)
    expect_the_references_bytes(dense_, run_path(dense_, path, 9));
}

std::vector<std::string> families() {
  std::vector<std::string> names;
  for (const Family& family : all_families()) names.emplace_back(family.model_type);
  return names;
}
INSTANTIATE_TEST_SUITE_P(EveryFamily, Pruning, ::testing::ValuesIn(families()),
                         [](const auto& info) { return info.param; });

}  // namespace
}  // namespace mop::testing
