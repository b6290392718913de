#include "run/describe.h"

#include <gtest/gtest.h>

#include "kit/random_model.h"

namespace mop {
namespace {

TEST(Inspect, CountsTheTensorsOfEachStoredType) {
  const Json about = inspect(MOP_SOURCE_DIR "/tests/golden/gguf/quantized.gguf");
  EXPECT_EQ(about["tensor_types"], (Json{{"f32", 3},
                                         {"iq4_nl", 1},
                                         {"iq4_xs", 1},
                                         {"q2_k", 1},
                                         {"q3_k", 1},
                                         {"q4_1", 1},
                                         {"q4_k", 1},
                                         {"q5_0", 1},
                                         {"q5_k", 1},
                                         {"q6_k", 1}}));
  EXPECT_EQ(about["dtype"], "float16");
  EXPECT_LT(about["bytes"], 57344);
}

TEST(Inspect, CountsTheTensorsOfAFolder) {
  const testing::TempFolder folder;
  testing::write_random_model(folder.path(), {.layers = 1, .dtype = "bfloat16"});
  EXPECT_EQ(inspect(folder.path())["tensor_types"], (Json{{"bfloat16", 12}}));
}

}  // namespace
}  // namespace mop
