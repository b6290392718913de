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

TEST(Currencies, WiderNormsStandOutsideTheLayers) {
  const Costs costs(find_currency("memory"), {.element_bytes = 2, .extra_bytes = 80});
  EXPECT_DOUBLE_EQ(costs.of_model(grouped()),
                   80 + 2 * static_cast<double>(total_parameters(grouped())));
}

TEST(Currencies, ReadSizesInTheirUnits) {
  const auto size = [](const char* currency, const char* text) {
    return size_from_text(find_currency(currency), text);
  };
  EXPECT_DOUBLE_EQ(size("parameters", "5B"), 5e9);
  EXPECT_DOUBLE_EQ(size("parameters", "350 M"), 350e6);
  EXPECT_DOUBLE_EQ(size("parameters", "1200000"), 1.2e6);
  EXPECT_DOUBLE_EQ(size("memory", "6GB"), 6e9);
  EXPECT_DOUBLE_EQ(size("memory", "1.5GiB"), 1.5 * 1024 * 1024 * 1024);
  EXPECT_DOUBLE_EQ(size("kv-cache", "64KiB"), 65536);
  EXPECT_DOUBLE_EQ(size("latency", "12"), 12e6) << "ms, in ns";
  EXPECT_DOUBLE_EQ(size("latency", "850us"), 850e3);
}

TEST(Currencies, RefuseWhatIsNoSize) {
  for (const auto& [currency, text] : {std::pair{"memory", "6G"},
                                       {"memory", ""},
                                       {"memory", "-6GB"},
                                       {"memory", "0"},
                                       {"parameters", "5GB"},
                                       {"latency", "12 min"},
                                       {"kv-cache", "nan"}}) {
    EXPECT_THROW(size_from_text(find_currency(currency), text), Error) << currency << text;
  }
  try {
    size_from_text(find_currency("memory"), "6G");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_THAT(error.what(), ::testing::HasSubstr("'6G' is not a size of memory"));
    EXPECT_THAT(error.what(), ::testing::HasSubstr("6GB"));
  }
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
