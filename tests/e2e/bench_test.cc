// mop bench as a user runs it. Figures are not judged here: only that they are there, and agree.
#include "e2e/program.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

const Args kShort = {"--prompt", "4", "--generate", "3", "--repeat", "2"};

Args bench(const Args& more) {
  Args args = {"bench", demo_model()};
  args.insert(args.end(), kShort.begin(), kShort.end());
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

TEST(Bench, GivesTimesMemoryAndRatios) {
  const Ran ran = run(bench({"--vs", demo_model(), "--json", "--dtype", "bfloat16"}));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json json = ran.json();
  EXPECT_EQ(json["prompt_tokens"], 4);
  EXPECT_EQ(json["new_tokens"], 3);
  EXPECT_EQ(json["batch"], 1);
  EXPECT_EQ(json["dtype"], "bfloat16");
  ASSERT_EQ(json["models"].size(), 2u);
  for (const Json& model : json["models"]) {
    for (const char* key : {"first_token_seconds", "token_seconds", "total_seconds",
                            "prompt_tokens_per_second", "new_tokens_per_second"}) {
      EXPECT_GT(model[key]["min"].get<double>(), 0) << key;
      EXPECT_GE(model[key]["median"].get<double>(), model[key]["min"].get<double>()) << key;
      EXPECT_LE(model[key]["median"].get<double>(), model[key]["max"].get<double>()) << key;
    }
    EXPECT_EQ(model["parameters"], 5657280);
    EXPECT_EQ(model["weight_bytes"], 2 * (4870656 + 192 * 2049));
    for (const char* key : {"peak_anonymous_bytes", "peak_mapped_bytes", "kv_cache_bytes",
                            "decode_bandwidth", "bandwidth_fraction"}) {
      EXPECT_TRUE(model[key].is_number()) << key;
    }
  }
  ASSERT_EQ(json["ratios"].size(), 1u);
  const Json& ratios = json["ratios"][0];
  EXPECT_DOUBLE_EQ(ratios["reduction"]["total"].get<double>(),
                   1 - ratios["total"]["median"].get<double>());
  EXPECT_GT(json["read_bandwidth"]["median"].get<double>(), 0);
  EXPECT_EQ(json["foreign_by_round"].size(), 2u);
  EXPECT_EQ(json["quiet"].get<bool>(), json["foreign_load"].get<double>() <= 0.05);
}

TEST(Bench, PrintsATableForPeople) {
  const Ran ran = run(bench({"--batch", "2"}));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  for (const char* part : {"time to first token", "time per token", "peak memory, mapped",
                           "4 prompt + 3 new tokens, batch 2, float32", "memory reads at"}) {
    EXPECT_THAT(ran.out, HasSubstr(part));
  }
}

TEST(Bench, RefusesARequestLongerThanTheContext) {
  const Ran ran = run({"bench", demo_model(), "--prompt", "100000"});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.err, HasSubstr("100000 prompt tokens and 128 new ones do not fit"));
  EXPECT_THAT(ran.err, HasSubstr("hint:"));
  EXPECT_EQ(run({"bench", demo_model(), "--batch", "0"}).exit, 2);
}

}  // namespace
}  // namespace mop::testing
