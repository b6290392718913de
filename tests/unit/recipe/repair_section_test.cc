// tests/unit/recipe/repair_section_test.cc -- when a recipe's repair is applied.
#include "recipe/repair_section.h"

#include <gtest/gtest.h>

#include "recipe/recipe.h"

namespace mop::testing {
namespace {

TEST(RepairSection, TheDefaultMethodRepairsStepsUnlessTheyWouldNotCountWhatIsAdded) {
  const auto repair = [](const Json& repair) {
    return recipe_from_json({{"target", {{"remove", 0.3}}}, {"repair", repair}}).repair;
  };
  for (const Repair& row : all_repairs()) {
    const Json resolved = resolved_repair(repair({{"method", row.name}}));
    EXPECT_EQ(resolved["when"], row.adds_tensors ? "end" : "steps") << row.name;
    EXPECT_EQ(repair_adds_tensors(resolved), row.name == "bias") << row.name;
  }
  EXPECT_FALSE(repair_adds_tensors(Json()));
}

}  // namespace
}  // namespace mop::testing
