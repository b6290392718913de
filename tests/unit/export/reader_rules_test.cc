// tests/unit/export/reader_rules_test.cc -- what is said of readers, and what is not.
#include "export/reader_rules.h"

#include <gmock/gmock.h>

#include "kit/configs.h"

namespace mop::testing {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// Llama-3-8B's sizes with other heads and widths.
ModelConfig pruned(int64_t heads, int64_t kv_heads, int64_t mlp) {
  return make_config({32, 4096, heads, kv_heads, 128, mlp, 128256});
}

constexpr const char* kRanks = "tensor-parallel";

TEST(ReaderRules, AHiddenSizeThatLostItsMultipleIsTold) {
  ModelConfig dense = pruned(32, 8, 14336), narrow = dense;
  for (const auto& [hidden, text] : {std::pair{3072, ""},
                                     {3104, "a hidden size of 3104 is not a multiple of 256"},
                                     {3076, "a hidden size of 3076 is not a multiple of 32"}}) {
    narrow.hidden = hidden;
    const auto told = Contains(HasSubstr("a hidden size of"));
    if (std::string(text).empty()) {
      EXPECT_THAT(reader_warnings(narrow, &dense), Not(told)) << hidden;
    } else {
      EXPECT_THAT(reader_warnings(narrow, &dense), Contains(HasSubstr(text)));
    }
    EXPECT_THAT(reader_warnings(narrow), Not(Contains(HasSubstr("K-quants leave most")))) << hidden;
  }
}

TEST(ReaderRules, RanksThatPruningLostAreToldWithTheGuiltyNumberAlone) {
  const ModelConfig dense = llama3_8b();
  EXPECT_THAT(reader_warnings(pruned(32, 8, 12289), &dense),
              Contains("vLLM: 12289 MLP neurons (of 14336) cannot be divided among 2 "
                       "tensor-parallel ranks, unlike the dense model's"));
  EXPECT_THAT(reader_warnings(pruned(24, 6, 12288), &dense),
              Contains("vLLM: 6 KV heads (of 8) cannot be divided among 4 tensor-parallel "
                       "ranks, unlike the dense model's"));
  EXPECT_THAT(reader_warnings(pruned(20, 5, 12289), &dense),
              Contains(HasSubstr("5 KV heads (of 8) and 12289 MLP neurons (of 14336)")));
}

TEST(ReaderRules, WhatTheDenseModelNeverDividedByIsNotTold) {
  // SmolLM2-135M has 9 heads.
  const ModelConfig dense = make_config({30, 576, 9, 3, 64, 1536, 49152});
  const ModelConfig after = make_config({30, 576, 6, 2, 64, 1024, 49152});
  EXPECT_THAT(reader_warnings(after, &dense), Not(Contains(HasSubstr(kRanks))));
  // Six heads never went to four ranks, so no width speaks against them.
  const ModelConfig toy = tinystories_12l();
  const ModelConfig narrow = make_config({12, 192, 6, 3, 32, 450, 2048});
  EXPECT_THAT(reader_warnings(narrow, &toy), Not(Contains(HasSubstr(kRanks))));
  EXPECT_THAT(reader_warnings(pruned(32, 8, 12289)), Not(Contains(HasSubstr(kRanks))));
}

TEST(ReaderRules, FewerKvHeadsThanRanksAreCopied) {
  const ModelConfig dense = llama3_8b();
  EXPECT_THAT(reader_warnings(pruned(16, 4, 12288), &dense), Not(Contains(HasSubstr(kRanks))));
}

TEST(ReaderRules, LayersThatDifferLoadInVllmBesideItsOwnClasses) {
  ModelConfig config = llama3_8b();
  config.layers[3].mlp = 1024;
  const auto warnings = reader_warnings(config, &config);
  EXPECT_THAT(warnings, Contains(HasSubstr("vLLM's own classes have one size for all layers")));
  EXPECT_THAT(warnings, Not(Contains(HasSubstr("vLLM does not load"))));
  config.layers[3].heads = config.layers[3].kv_heads = 0;
  EXPECT_THAT(reader_warnings(config), Contains("vLLM does not load a layer without attention"));
}

}  // namespace
}  // namespace mop::testing
