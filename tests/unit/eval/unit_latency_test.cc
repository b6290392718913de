// tests/unit/eval/unit_latency_test.cc -- times of halves and units from times of models.
#include "eval/unit_latency.h"

#include <gmock/gmock.h>

#include "base/error.h"
#include "kit/random_model.h"

namespace mop::testing {
namespace {

LatencySample sample(int64_t attentions, int64_t groups, int64_t mlps, int64_t neurons) {
  const double seconds = 5e-3 + 2e-4 * static_cast<double>(attentions) +
                         3e-5 * static_cast<double>(groups) + 1e-4 * static_cast<double>(mlps) +
                         4e-7 * static_cast<double>(neurons);
  return {attentions, groups, mlps, neurons, seconds};
}

std::vector<LatencySample> samples() {
  return {sample(8, 32, 8, 4096), sample(8, 32, 0, 0),   sample(8, 16, 0, 0),  sample(8, 8, 0, 0),
          sample(0, 0, 8, 4096),  sample(0, 0, 8, 2048), sample(0, 0, 8, 512), sample(0, 0, 0, 0)};
}

TEST(UnitLatencyFit, FindsTheTimesThatModelsAreMadeOf) {
  const UnitLatency found = fit_unit_latency(samples());
  EXPECT_NEAR(found.outside, 5e-3, 1e-6);
  EXPECT_NEAR(found.attention, 2e-4, 1e-6);
  EXPECT_NEAR(found.kv_group, 3e-5, 1e-6);
  EXPECT_NEAR(found.mlp, 1e-4, 1e-6);
  EXPECT_NEAR(found.neuron, 4e-7, 1e-9);
  EXPECT_LT(found.worst, 1e-3);
}

TEST(UnitLatencyFit, HasNoTimeBelowZero) {
  // Half the groups take longer than all: a group costs nothing then, and no less.
  std::vector<LatencySample> odd = samples();
  odd[2].seconds *= 2;
  odd[3].seconds *= 3;
  const UnitLatency found = fit_unit_latency(odd);
  EXPECT_EQ(found.kv_group, 0);
  EXPECT_GT(found.attention, 0);
  EXPECT_GT(found.worst, 0.1) << "and the fit says that it is poor";
}

TEST(UnitLatencyFit, RefusesTimesThatAreNone) {
  EXPECT_THROW(fit_unit_latency({}), Error);
  std::vector<LatencySample> none = samples();
  none[0].seconds = 0;
  EXPECT_THROW(fit_unit_latency(none), Error);
}

TEST(UnitLatencyJson, ComesBackUnchanged) {
  const UnitLatency found = fit_unit_latency(samples());
  const UnitLatency read =
      unit_latency_from_json(Json::parse(to_json(found).dump()), "latency.json");
  for (const auto member : {&UnitLatency::outside, &UnitLatency::attention, &UnitLatency::kv_group,
                            &UnitLatency::mlp, &UnitLatency::neuron}) {
    EXPECT_EQ(read.*member, found.*member);
  }
  Json damaged = to_json(found);
  damaged["neuron"] = -1;
  EXPECT_THROW(unit_latency_from_json(damaged, "latency.json"), Error);
  damaged.erase("neuron");
  EXPECT_THROW(unit_latency_from_json(damaged, "latency.json"), Error);
}

TEST(UnitLatency, TimesModelsOfHalvesAndWidths) {
  const TempFolder folder;
  write_random_model(folder.path());
  const Model model = Model::open(folder.path());
  const UnitLatency latency = measure_unit_latency(model, {});
  // Whole; attention of 2 groups and of 1; MLPs of 48, 36, 24 and 12; half of both; nothing.
  ASSERT_EQ(latency.samples.size(), 9u);
  EXPECT_EQ(latency.samples[0].attentions, 4);
  EXPECT_EQ(latency.samples[0].neurons, 4 * 48);
  EXPECT_EQ(latency.samples.back().attentions + latency.samples.back().mlps, 0);
  EXPECT_GT(latency.outside, 0);
}

}  // namespace
}  // namespace mop::testing
