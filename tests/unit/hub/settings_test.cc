#include "hub/settings.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <map>

#include "base/error.h"
#include "base/files.h"
#include "kit/random_model.h"

namespace mop {
namespace {

/// The environment of one test: these variables and none of the others that matter.
class HubSettingsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    for (const char* name :
         {"HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "XDG_CACHE_HOME", "HF_ENDPOINT",
          "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_DISABLE_IMPLICIT_TOKEN",
          "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_HUB_DOWNLOAD_TIMEOUT"}) {
      ::unsetenv(name);
    }
    set("HOME", home_.path().string());
  }
  static void set(const char* name, const std::string& value) { ::setenv(name, value.c_str(), 1); }
  testing::TempFolder home_;
};

TEST_F(HubSettingsTest, DefaultToTheUsersCacheAndThePublicHub) {
  const HubSettings settings = hub_settings();
  EXPECT_EQ(settings.cache, home_.path() / ".cache/huggingface/hub");
  EXPECT_THAT(settings.endpoint, ::testing::StartsWith("https://"));
  EXPECT_TRUE(settings.token.empty());
  EXPECT_FALSE(settings.offline);
}

TEST_F(HubSettingsTest, TakeTheMoreSpecificVariableFirst) {
  set("XDG_CACHE_HOME", "/x");
  EXPECT_EQ(hub_settings().cache, "/x/huggingface/hub");
  set("HF_HOME", "~/hf");
  EXPECT_EQ(hub_settings().cache, home_.path() / "hf/hub");
  set("HF_HUB_CACHE", "/cache");
  EXPECT_EQ(hub_settings().cache, "/cache");
}

TEST_F(HubSettingsTest, FindTheTokenInTheVariableOrTheFile) {
  std::filesystem::create_directories(home_.path() / ".cache/huggingface");
  write_file(home_.path() / ".cache/huggingface/token", "from-file\n");
  EXPECT_EQ(hub_settings().token, "from-file");
  set("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
  EXPECT_EQ(hub_settings().token, "");
  set("HF_TOKEN", " given ");
  EXPECT_EQ(hub_settings().token, "given");
}

TEST_F(HubSettingsTest, ReadOfflineAndEndpoint) {
  set("TRANSFORMERS_OFFLINE", "yes");
  set("HF_ENDPOINT", "http://mirror:80/hf//");
  EXPECT_TRUE(hub_settings().offline);
  EXPECT_EQ(hub_settings().endpoint, "http://mirror:80/hf");
  set("HF_ENDPOINT", "mirror");
  EXPECT_THROW(hub_settings(), Error);
}

TEST_F(HubSettingsTest, WhatGoesIntoAHeaderHoldsNoLineBreak) {
  for (const char* name : {"HF_TOKEN", "HF_ENDPOINT"}) {
    set(name, "https://x\r\nX-Other: y");
    try {
      hub_settings();
      FAIL() << name;
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kUsage);
      EXPECT_THAT(e.what(), ::testing::HasSubstr(name));
      EXPECT_THAT(e.what(), ::testing::Not(::testing::HasSubstr("X-Other"))) << "a token is secret";
    }
    ::unsetenv(name);
  }
  set("HF_TOKEN_PATH", (home_.path() / "token").string());
  write_file(home_.path() / "token", "good\n");
  EXPECT_EQ(hub_settings().token, "good");
  write_file(home_.path() / "token", "good\nX-Other: y\n");
  EXPECT_THROW(hub_settings(), Error);
}

}  // namespace
}  // namespace mop
