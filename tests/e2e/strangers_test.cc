// Model folders from strangers: one clear error, exit code 1, and nothing that a terminal obeys.
#include <fmt/format.h>
#include <sys/stat.h>

#include <cstdlib>

#include "e2e/program.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class Strangers : public ::testing::Test {
 protected:
  void SetUp() override { write_random_model(model(), {}); }
  fs::path model() const { return temp_.path() / "model"; }
  Ran inspect() const { return run({"inspect", model().string()}); }
  void change_config(const std::string& key, const Json& value) {
    Json config = read_json(model() / "config.json");
    config[key] = value;
    write_file(model() / "config.json", to_text(config));
  }
  void expect_refused(const std::string& text) {
    const Ran ran = inspect();
    EXPECT_EQ(ran.exit, 1) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr("error: "));
    EXPECT_THAT(ran.err, HasSubstr(text));
    EXPECT_THAT(ran.err, Not(HasSubstr("json.exception")));
  }

  TempFolder temp_;
};

TEST_F(Strangers, ConfigsThatAreDeepOrNoFilesEndInAnError) {
  write_file(model() / "config.json", std::string(1 << 20, '[') + std::string(1 << 20, ']'));
  expect_refused("nested more than 128 deep");
  fs::remove(model() / "config.json");
  ASSERT_EQ(::mkfifo((model() / "config.json").c_str(), 0600), 0);
  expect_refused("not a regular file");
}

TEST_F(Strangers, ATerminalIsNotTold) {
  change_config("\x1b[2Jkey", "x");
  const Ran ran = inspect();
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.out + ran.err, HasSubstr("\\x1b[2Jkey"));
  EXPECT_THAT(ran.out + ran.err, Not(HasSubstr("\x1b")));
  change_config("model_type", "\x1b[31mx\u009b\n  hint: y");
  expect_refused("model_type '\\x1b[31mx\\u009b\n      hint: y'");
}

TEST_F(Strangers, AValueOfAnotherKindIsNotTheLibrarysToTell) {
  change_config("torch_dtype", Json::array({1}));
  change_config("eos_token_id", 18446744073709551615u);
  expect_refused("eos_token_id must be a whole number");
}

TEST_F(Strangers, SizesThatAreFineByThemselvesAreNoModelTogether) {
  for (const char* key : {"hidden_size", "intermediate_size", "vocab_size"})
    change_config(key, 2147483640);
  change_config("num_hidden_layers", 100000);
  expect_refused("not a plausible config");
}

// What the program takes by itself depends on the machine; between that and enough, a text of many
// megabytes is too much somewhere.
TEST_F(Strangers, RunningOutOfMemoryIsAnError) {
  const fs::path tokenizer = fs::path(MOP_SOURCE_DIR) / "tests/golden/tokenizers/llama3-style";
  std::string line;
  while (line.size() < (8u << 20)) line += "hello world ";
  write_file(temp_.path() / "small.txt", "hello");
  write_file(temp_.path() / "long.txt", line);
  const fs::path said = temp_.path() / "said";
  const auto tokenize = [&](const char* text, int64_t mebibytes) {
    const std::string command = fmt::format(
        "ulimit -c 0; ulimit -v {}; exec '{}' tokenize '{}' --text '{}' >/dev/null 2>'{}'",
        mebibytes << 10, MOP_PROGRAM, tokenizer.string(), (temp_.path() / text).string(),
        said.string());
    const int status = std::system(command.c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  };
  int64_t memory = 512;
  while (tokenize("small.txt", memory) != 0) memory += 64;
  EXPECT_EQ(tokenize("long.txt", memory + 64), 1);
  EXPECT_THAT(read_file(said), HasSubstr("error: out of memory"));
}

}  // namespace
}  // namespace mop::testing
