// tests/properties/allocation_test.cc -- promises of the width allocator over many random models
// and budgets.
#include <gtest/gtest.h>

#include <cmath>

#include "allocate/width.h"
#include "base/error.h"
#include "base/random.h"
#include "kit/configs.h"
#include "model/family.h"
#include "plan/accounting.h"
#include "structure/unit.h"

namespace mop::testing {
namespace {

constexpr int kModels = 400;

int64_t between(Random& random, int64_t low, int64_t high) {
  return low + static_cast<int64_t>(random.below(static_cast<uint64_t>(high - low + 1)));
}

// Narrow and wide, few layers and many, grouped or not; half of them with layers that differ.
ModelConfig random_config(Random& random, bool uniform) {
  Sizes sizes;
  sizes.layers = between(random, 3, 40);
  sizes.head_dim = 2 * between(random, 1, 64);
  sizes.kv_heads = between(random, 1, 16);
  sizes.heads = sizes.kv_heads * between(random, 1, 6);
  sizes.hidden = 8 * between(random, 1, 256);
  sizes.mlp = between(random, 4, 9000);
  sizes.family = random.below(2) == 0 ? "llama" : "qwen2";
  ModelConfig config = make_config(sizes);
  if (uniform) return config;
  for (LayerShape& shape : config.layers) {
    if (random.below(3) == 0) continue;
    const int64_t group = shape.group();
    shape.kv_heads = between(random, 1, shape.kv_heads);
    shape.heads = shape.kv_heads * group;
    shape.mlp = between(random, 1, shape.mlp);
    if (random.below(20) == 0) shape.kv_heads = shape.heads = 0;
    if (random.below(20) == 0) shape.mlp = 0;
  }
  return config;
}

WidthOptions random_options(Random& random, const ModelConfig& config) {
  WidthOptions options;
  options.rule = random.below(4) == 0 ? WidthRule::kMlpOnly : default_rule(config);
  options.min_kv_groups = between(random, 1, 3);
  return options;
}

ModelConfig without(ModelConfig config, const WidthCounts& counts) {
  for (size_t i = 0; i < config.layers.size(); ++i) {
    LayerShape& shape = config.layers[i];
    shape.heads -= counts.kv_groups[i] * shape.group();
    shape.kv_heads -= counts.kv_groups[i];
    shape.mlp -= counts.neurons[i];
  }
  return config;
}

int64_t sum_over_layers(const ModelConfig& config, UnitKind kind) {
  int64_t sum = 0;
  for (const LayerShape& shape : config.layers) sum += unit_parameters(kind, config, shape);
  return sum;
}

// Neurons that can still go, in parameters: when they run out the budget may be missed.
int64_t neuron_room(const ModelConfig& config) {
  int64_t room = 0;
  for (const LayerShape& shape : config.layers) {
    room += std::max<int64_t>(shape.mlp - 1, 0) * unit_parameters(UnitKind::kNeuron, config, shape);
  }
  return room;
}

// A run of width steps, and what it meets at each of them.
struct StepSeen {
  ModelConfig before, after;
  WidthCounts counts;
  Owed owed;
  int64_t budget, removed;
};
template <typename Check>
void walk(ModelConfig config, const WidthOptions& options, Check check) {
  Owed owed;
  for (int step = 0; step < 25; ++step) {
    StepSeen seen{config, config, {}, owed, layer_worth(config), 0};
    try {
      seen.counts = allocate_width(config, seen.budget, owed, options);
    } catch (const Error& error) {
      ASSERT_EQ(error.kind(), ErrorKind::kBadInput);
      return;
    }
    seen.after = without(config, seen.counts);
    seen.removed = block_parameters(config) - block_parameters(seen.after);
    check(seen);
    if (::testing::Test::HasFatalFailure()) return;
    config = seen.after;
    owed = seen.counts.owed;
  }
}

template <typename Check>
void for_random_models(bool uniform, Check check) {
  for (int seed = 0; seed < kModels; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(static_cast<uint64_t>(seed), uniform ? 1 : 2);
    const ModelConfig config = random_config(random, uniform);
    walk(config, random_options(random, config), check);
    if (::testing::Test::HasFatalFailure()) return;
  }
}

TEST(ExactAllocation, StaysWithinHalfANeuronPerLayerOfTheBudgetPlusWhatWasOwed) {
  int checked = 0;
  for (const bool uniform : {true, false}) {
    for_random_models(uniform, [&](const StepSeen& seen) {
      const double want = static_cast<double>(seen.budget) + seen.owed.parameters;
      if (static_cast<double>(neuron_room(seen.before)) < want) return;
      const auto slack = static_cast<double>(sum_over_layers(seen.before, UnitKind::kNeuron)) / 2;
      ASSERT_LE(std::abs(static_cast<double>(seen.removed) - want), slack + 1e-6);
      ASSERT_NEAR(seen.counts.owed.parameters, want - static_cast<double>(seen.removed), 1e-3);
      ++checked;
    });
  }
  EXPECT_GT(checked, 2000);
}

TEST(ExactAllocation, LeavesAtLeastOneOfEveryUnitAndNeverAddsAny) {
  for (const bool uniform : {true, false}) {
    for_random_models(uniform, [](const StepSeen& seen) {
      for (size_t i = 0; i < seen.before.layers.size(); ++i) {
        const LayerShape &before = seen.before.layers[i], &after = seen.after.layers[i];
        ASSERT_GE(seen.counts.neurons[i], 0);
        ASSERT_GE(seen.counts.kv_groups[i], 0);
        ASSERT_EQ(after.mlp > 0, before.mlp > 0);
        ASSERT_EQ(after.kv_heads > 0, before.kv_heads > 0);
        ASSERT_EQ(after.group(), before.group());
      }
    });
  }
}

TEST(ExactAllocation, KeepsAUniformModelUniform) {
  for_random_models(true, [](const StepSeen& seen) {
    for (const LayerShape& shape : seen.after.layers) ASSERT_EQ(shape, seen.after.layers[0]);
  });
}

TEST(ExactAllocation, NeverTakesGroupsThatCostMoreThanTheBudget) {
  for (const bool uniform : {true, false}) {
    for_random_models(uniform, [](const StepSeen& seen) {
      int64_t groups = 0;
      for (size_t i = 0; i < seen.before.layers.size(); ++i) {
        groups += seen.counts.kv_groups[i] *
                  unit_parameters(UnitKind::kKvGroup, seen.before, seen.before.layers[i]);
      }
      const auto slack = static_cast<double>(sum_over_layers(seen.before, UnitKind::kNeuron)) / 2;
      ASSERT_LE(
          static_cast<double>(groups),
          std::max(static_cast<double>(seen.budget) + seen.owed.parameters + slack, 0.0) + 1e-6);
    });
  }
}

TEST(ExactAllocation, RemovesWhatTheBudgetsSumTo) {
  for_random_models(true, [total = 0.0, gone = 0.0](const StepSeen& seen) mutable {
    if (seen.owed == Owed()) total = gone = 0;
    total += static_cast<double>(seen.budget);
    gone += static_cast<double>(seen.removed);
    if (static_cast<double>(neuron_room(seen.before)) <
        static_cast<double>(seen.budget) + seen.owed.parameters) {
      return;
    }
    ASSERT_LE(std::abs(total - gone),
              static_cast<double>(sum_over_layers(seen.before, UnitKind::kNeuron)) / 2 + 1e-3);
  });
}

TEST(ExactAllocation, AttentionKeepsItsShareOnceGroupsAreAffordable) {
  // LLaMA-3-8B, ten width steps: attention was 19.2% of attention and MLP, and stays within a group
  // of that.
  ModelConfig config = llama3_8b();
  Owed owed;
  WidthOptions options;
  options.rule = WidthRule::kGqa;
  for (int step = 0; step < 10; ++step) {
    const WidthCounts counts = allocate_width(config, layer_worth(config), owed, options);
    config = without(config, counts);
    owed = counts.owed;
  }
  const double groups_left = static_cast<double>(config.layers[0].kv_heads) / 8;
  const double neurons_left = static_cast<double>(config.layers[0].mlp) / 14336;
  EXPECT_GE(groups_left, neurons_left);
  EXPECT_LE(groups_left, neurons_left + 1.3 / 8);
}

TEST(ExactAllocation, AnyPathMeetsAnyTarget) {
  int met = 0;
  for (int seed = 0; seed < 200; ++seed) {
    SCOPED_TRACE(fmt::format("seed {}", seed));
    Random random(static_cast<uint64_t>(seed), 3);
    const ModelConfig config = random_config(random, random.below(2) == 0);
    AccountOptions options;
    options.target.of_blocks = true;
    options.target.remove_fraction = 0.1 + 0.3 * random.uniform();
    for (int i = 0; i < 12; ++i) options.path += random.below(2) == 0 ? 'L' : 'G';
    options.path += 'G';
    try {
      const Accounting result = account(config, options);
      EXPECT_GE(result.block_removed_fraction(result.steps.back()), options.target.remove_fraction);
      ++met;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kBadInput) << error.what();  // out of layers or units
    }
  }
  EXPECT_GT(met, 150);
}

}  // namespace
}  // namespace mop::testing
