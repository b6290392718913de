// `mop generate` with a chat template answers what transformers answers (tests/golden/chat, remade
// by tools/golden/chat_turns.py).
#include "e2e/program.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

class ChatGenerate : public ::testing::Test {
 protected:
  void SetUp() override {
    golden_ = read_json(fs::path(MOP_SOURCE_DIR) / "tests/golden/chat/generate.json");
    fs::copy(demo_model(), model_);
    write_file(model_ / "chat_template.jinja", golden_["template"].get<std::string>());
  }

  // What it says to these messages.
  Json answer(const fs::path& model, const Json& messages) {
    write_file(folder_.path() / "messages.json", messages.dump());
    return json_of({"generate", model.string(), "--messages",
                    (folder_.path() / "messages.json").string(), "--max-new-tokens", "24",
                    "--json"});
  }
  Json json_of(const Args& args) {
    const Ran ran = run(args);
    EXPECT_EQ(ran.exit, 0) << ran.err;
    return ran.json();
  }

  TempFolder folder_;
  const fs::path model_ = folder_.path() / "model";
  Json golden_;
};

TEST_F(ChatGenerate, AnswersAsTransformersDoes) {
  for (const Json& expected : golden_["cases"]) {
    for (const Json& messages : {expected["messages"], Json{{"messages", expected["messages"]}}}) {
      const Json got = answer(model_, messages);
      EXPECT_EQ(got["prompt"], expected["prompt"]);
      EXPECT_EQ(got["ids"], expected["ids"]) << expected["prompt"];
    }
  }
}

TEST_F(ChatGenerate, ThePromptIsTheUsersMessage) {
  const Json& expected = golden_["cases"][1];
  const Json got = json_of({"generate", model_.string(), "--chat", "--system",
                            expected["messages"][0]["content"].get<std::string>(), "--prompt",
                            expected["messages"][1]["content"].get<std::string>(),
                            "--max-new-tokens", "24", "--json"});
  EXPECT_EQ(got["prompt"], expected["prompt"]);
  EXPECT_EQ(got["ids"], expected["ids"]);
}

TEST_F(ChatGenerate, AGgufFileBringsItsTemplate) {
  const fs::path file = folder_.path() / "model.gguf";
  ASSERT_EQ(run({"export", model_.string(), "--format", "gguf", "--out", file.string()}).exit, 0);
  const Json& expected = golden_["cases"][0];
  EXPECT_EQ(answer(file, expected["messages"])["prompt"], expected["prompt"]);
}

TEST_F(ChatGenerate, WhatIsMissingIsNamed) {
  const auto refused = [](const Args& args, int exit, const std::string& text) {
    const Ran ran = run(args);
    EXPECT_EQ(ran.exit, exit);
    EXPECT_THAT(ran.err, HasSubstr(text));
  };
  const std::string demo = demo_model().string();
  refused({"generate", demo, "--chat", "--prompt", "x"}, 2, "the model has no chat template");
  refused({"generate", demo, "--system", "x", "--prompt", "x"}, 2,
          "--system needs --chat or --messages");
  refused({"generate", demo}, 2, "--prompt");
  write_file(folder_.path() / "a.json", R"({"message": "x"})");
  refused({"generate", model_.string(), "--messages", (folder_.path() / "a.json").string()}, 1,
          "the file has no conversation");
}

}  // namespace
}  // namespace mop::testing
