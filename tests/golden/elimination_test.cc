// Damage curves of a real layer against numpy's, remade by tools/golden/elimination.py.
#include "solve/elimination.h"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "kit/random_model.h"

namespace mop {
namespace {

namespace fs = std::filesystem;

TEST(EliminationGolden, OrderAndDamageAreNumpys) {
  const fs::path folder = fs::path(MOP_SOURCE_DIR) / "tests/golden/elimination";
  const SafetensorsFile statistics = SafetensorsFile::open(folder / "statistics.safetensors");
  const SafetensorsFile model = SafetensorsFile::open(testing::demo_model() / "model.safetensors");
  const Json curves = read_json(folder / "curves.json");
  ASSERT_EQ(curves.size(), 2u);  // the KV groups of a layer, and neurons
  for (const Json& golden : curves) {
    const auto name = golden["statistics"].get<std::string>();
    SCOPED_TRACE(name);
    Elimination problem;
    problem.gram_KK = statistics.tensor(name + ".gram");
    problem.sensitivity_DD = statistics.tensor(name + ".sensitivity");
    problem.weights_DK =
        model.tensor(golden["weight"].get<std::string>()).narrow(1, 0, problem.gram_KK.size(0));
    problem.unit = golden["unit"];
    problem.damping = golden["damping"];
    problem.block = 1;
    const auto damage = golden["damage"].get<std::vector<double>>();
    const DamageCurve exact = eliminate(problem);
    EXPECT_EQ(exact.order, golden["order"].get<std::vector<int32_t>>());
    problem.block = 64;
    const DamageCurve blocked = eliminate(problem);
    ASSERT_EQ(exact.damage.size(), damage.size());
    for (size_t k = 0; k < damage.size(); ++k) {
      EXPECT_NEAR(exact.damage[k], damage[k], 1e-8 * damage[k]) << k;
      EXPECT_NEAR(blocked.damage[k], damage[k], 0.02 * damage[k]) << k;
    }
    for (const Json& prefix : golden["solved"]) {
      const double solved = prefix[1];
      EXPECT_NEAR(exact.damage[prefix[0].get<size_t>() - 1], solved, 1e-8 * solved);
    }
  }
}

}  // namespace
}  // namespace mop
