// unit/model/small_config.h -- the config of a small LLaMA, and what is said of one that is
// refused.
#pragma once
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"
#include "model/config.h"

namespace mop::testing {

inline Json llama() {
  return Json::parse(R"({"model_type": "llama", "hidden_size": 32, "intermediate_size": 48,
    "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 96})");
}
inline Json with(Json config, const char* changes) {
  config.update(Json::parse(changes));
  return config;
}
inline ModelConfig parse(const Json& config) { return parse_config(config, "m/config.json"); }
inline std::string refusal(const Json& config) {
  try {
    parse(config);
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kBadInput);
    EXPECT_THAT(e.what(), ::testing::HasSubstr("m/config.json"));
    return e.what();
  }
  return "accepted";
}

}  // namespace mop::testing
