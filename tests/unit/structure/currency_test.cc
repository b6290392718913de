// tests/unit/structure/currency_test.cc -- prices of halves and models in every currency.
#include "structure/currency.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "kit/configs.h"
#include "model/family.h"

namespace mop::testing {
namespace {

// 2 layers of 4 query heads of 2 over 2 KV heads, hidden 8, 16 neurons: attention 192, MLP 384, two
// norms of 8.
ModelConfig grouped() { return make_config({2, 8, 4, 2, 2, 16, 10}); }

TEST(Currencies, ParametersAddUpToTheModel) {
  ModelConfig config = grouped();
  config.layers[1] = {2, 1, 2, 0};
  const Costs costs;
  EXPECT_EQ(costs.currency().name, "parameters");
  EXPECT_DOUBLE_EQ(costs.of_layers(config), static_cast<double>(block_parameters(config)));
  EXPECT_DOUBLE_EQ(costs.of_model(config), static_cast<double>(total_parameters(config)));
  const HalfCost attention = costs.of_half(config, config.layers[0], UnitKind::kAttention);
  EXPECT_DOUBLE_EQ(attention.unit, 96);
  EXPECT_DOUBLE_EQ(attention.rest, 8);
}

TEST(Currencies, MemoryIsParametersTimesTheirBytes) {
  const Costs costs(find_currency("memory"), {.element_bytes = 2});
  EXPECT_DOUBLE_EQ(costs.of_model(grouped()), 2 * static_cast<double>(total_parameters(grouped())));
}

TEST(Currencies, TheKvCacheIsAttentionsAlone) {
  ModelConfig config = grouped();
  const Costs costs(find_currency("kv-cache"), {.element_bytes = 2});
  EXPECT_DOUBLE_EQ(costs.of_model(config), 2 * 2 * (2 * 2 * 2))
      << "layers, groups, K and V of 2 in 2 bytes";
  EXPECT_DOUBLE_EQ(costs.of_half(config, config.layers[0], UnitKind::kMlp).unit, 0);
  config.layers[0].heads = config.layers[0].kv_heads = 0;
  EXPECT_DOUBLE_EQ(costs.of_model(config), 2 * (2 * 2 * 2));
}

TEST(Currencies, LatencyIsWhatWasMeasured) {
  ModelConfig config = grouped();
  const CostInputs measured{.attention = {5, 100}, .mlp = {2, 30}, .outside = 1000};
  const Costs costs(find_currency("latency"), measured);
  EXPECT_DOUBLE_EQ(costs.of_layers(config), 2 * (100 + 2 * 5 + 30 + 16 * 2));
  EXPECT_DOUBLE_EQ(costs.of_model(config), 1000 + costs.of_layers(config));
  config.layers[1].mlp = 0;
  EXPECT_DOUBLE_EQ(costs.of_layers(config), 2 * (100 + 2 * 5) + 30 + 16 * 2)
      << "a half that is not there costs nothing";
}

TEST(Currencies, AreKnownByName) {
  try {
    find_currency("money");
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::HasSubstr("known: parameters, latency, memory, kv-cache"));
  }
}

}  // namespace
}  // namespace mop::testing
