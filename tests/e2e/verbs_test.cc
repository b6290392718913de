// The contract of every verb that scripts rely on: JSON keys, exit codes, and what goes where.
#include <cmath>

#include "checkpoint/safetensors.h"
#include "e2e/program.h"

namespace mop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<std::string> keys(const Json& json) {
  std::vector<std::string> names;
  for (const auto& [key, value] : json.items()) names.push_back(key);
  return names;
}

void expect_keys(const Json& json, const std::vector<std::string>& expected) {
  EXPECT_THAT(keys(json), ::testing::IsSupersetOf(expected));
}

Json answer(const Args& args) {
  Args with_json = args;
  with_json.push_back("--json");
  const Ran ran = run(with_json);
  EXPECT_EQ(ran.exit, 0) << ran.err;
  return ran.json();
}

TEST(Inspect, DescribesTheModel) {
  const Json json = answer({"inspect", demo_model()});
  expect_keys(json, {"family", "dtype", "bytes", "parameters", "block_parameters",
                     "kv_cache_bytes_per_token", "layers"});
  EXPECT_EQ(json["family"], "llama");
  EXPECT_EQ(json["dtype"], "bfloat16");
  EXPECT_EQ(json["parameters"], 5657280);
  EXPECT_EQ(json["block_parameters"], 4870656);
  EXPECT_EQ(json["bytes"], 5657280 * 2);
  EXPECT_EQ(json["kv_cache_bytes_per_token"], 12 * 2 * 3 * 32 * 2);
  EXPECT_EQ(json["device_memory"]["bfloat16"]["prune"]["weights_bytes"], 5657280 * 2);
  ASSERT_EQ(json["layers"].size(), 12u);
  EXPECT_EQ(json["layers"][0],
            Json({{"heads", 6}, {"kv_heads", 3}, {"head_dim", 32}, {"mlp", 512}}));
}

TEST(Plan, AccountsFromTheConfigAlone) {
  TempFolder temp;
  fs::copy(demo_model() / "config.json", temp.path() / "config.json");
  const Args flags = {"--iterations", "3", "--select", "path:LG"};
  Args from_config = {"plan", temp.path() / "config.json"}, from_folder = {"plan", demo_model()};
  from_config.insert(from_config.end(), flags.begin(), flags.end());
  from_folder.insert(from_folder.end(), flags.begin(), flags.end());
  const Json json = answer(from_config);
  EXPECT_EQ(json, answer(from_folder));
  expect_keys(json["dense"], {"parameters", "block_parameters", "layers"});
  expect_keys(json["device_memory"]["after"]["float32"], {"prune", "decode", "lora"});
  ASSERT_EQ(json["steps"].size(), 3u);
  expect_keys(json["steps"][0], {"step", "branch", "layers", "parameters", "removed_fraction",
                                 "block_removed_fraction"});
  EXPECT_EQ(json["steps"][0]["step"], 1);
  EXPECT_EQ(json["steps"][0]["branch"], "depth");
  EXPECT_EQ(json["steps"][2]["layers"].size(), 10u);
}

TEST(Plan, IsWhatPruneDoes) {
  TempFolder temp;
  const Args flags = {"--remove", "0.2", "--select", "random", "--seed", "11"};
  Args plan = {"plan", demo_model()};
  plan.insert(plan.end(), flags.begin(), flags.end());
  ASSERT_EQ(run(prune_args(temp.path() / "out", flags)).exit, 0);
  const Json planned = answer(plan)["steps"];
  const Json done = read_json(temp.path() / "out" / "run" / "metrics.json")["steps"];
  ASSERT_EQ(planned.size(), done.size());
  for (size_t i = 0; i < done.size(); ++i) {
    EXPECT_EQ(planned[i]["branch"], done[i]["branch"]);
    EXPECT_EQ(planned[i]["parameters"], done[i]["parameters"]);
  }
}

TEST(Plan, TellsTheTotalsOfTheDefaultMethod) {
  const Json plan = answer({"plan", demo_model(), "--remove", "0.3", "--of", "blocks"});
  ASSERT_EQ(plan["steps"].size(), 2u);
  EXPECT_NEAR(plan["steps"][1]["block_removed_fraction"].get<double>(), 0.3, 0.001);
  EXPECT_THAT(plan["warnings"].dump(), HasSubstr("the totals hold to a pack of neurons"));
}

TEST(Plan, SettingsThatNothingReadsAreTold) {
  const Json dry = answer({"prune", demo_model(), "--remove", "0.2", "--criterion", "magnitude",
                           "--set", "width.owl_lambda=0.1", "--dry-run"});
  EXPECT_THAT(dry["warnings"].dump(), HasSubstr("width.owl_lambda has no effect"));
  TempFolder temp;
  const fs::path out = temp.path() / "out";
  ASSERT_EQ(run(prune_args(out, {"--iterations", "1", "--select", "path:L"})).exit, 0);
  const Json replay = answer({"prune", demo_model(), "--plan", (out / "run/plan.json").string(),
                              "--criterion", "flap", "--protect", "0", "--dry-run"});
  EXPECT_THAT(replay["warnings"].dump(), HasSubstr("are replayed: protect, width.criterion"));
}

TEST(Plan, SaysWhenOnlyMeasurementsCanTell) {
  const Ran ran = run({"plan", demo_model(), "--iterations", "2", "--select", "kl"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("depends on measurements"));
}

TEST(Score, WritesOneTensorPerLayerAndCriterion) {
  TempFolder temp;
  const fs::path out = temp.path() / "scores.safetensors";
  const Json json =
      answer({"score", demo_model(), "--criterion", "amp-heads,amp-neurons", "--calibration",
              demo_calibration(), "--samples", "5", "--max-tokens", "32", "--out", out});
  EXPECT_EQ(json["samples"], 5);
  const SafetensorsFile file = SafetensorsFile::open(out);
  EXPECT_EQ(file.entries().size(), 24u);
  EXPECT_EQ(file.tensor("amp-heads.0").sizes(), at::IntArrayRef({3}));
  EXPECT_EQ(file.tensor("amp-neurons.11").sizes(), at::IntArrayRef({512}));
  EXPECT_TRUE((file.tensor("amp-neurons.11") > 0).all().item<bool>());
}

TEST(Score, RandomSamplesFollowTheSeed) {
  TempFolder temp;
  const auto digest = [&](const std::string& seed) {
    return answer({"score", demo_model(), "--criterion", "amp-heads", "--calibration",
                   demo_calibration(), "--samples", "3", "--max-tokens", "16", "--sample", "random",
                   "--seed", seed, "--out", temp.path() / "s.safetensors",
                   "--force"})["samples_sha256"];
  };
  EXPECT_EQ(digest("1"), digest("1"));
  EXPECT_NE(digest("1"), digest("2"));
}

TEST(Eval, GivesTheFigureWithItsProtocol) {
  TempFolder temp;
  write_file(temp.path() / "t.txt", "once upon a time there was a cat\nthe end\n");
  const Json json =
      answer({"eval", demo_model(), "--text", temp.path() / "t.txt", "--protocol", "lines"});
  expect_keys(json, {"protocol", "perplexity", "nll", "scored_tokens", "documents", "bos", "dtype",
                     "text_sha256"});
  EXPECT_EQ(json["documents"], 2);
  EXPECT_EQ(json["dtype"], "float32");
  EXPECT_NEAR(std::exp(json["nll"].get<double>()), json["perplexity"].get<double>(), 1e-9);
  const Json windows = answer({"eval", demo_model(), "--text", demo_evaluation(), "--protocol",
                               "windows:128", "--dtype", "bfloat16", "--limit", "4"});
  EXPECT_EQ(windows["protocol"], "windows:128");
  EXPECT_EQ(windows["dtype"], "bfloat16");
}

TEST(Generate, ContinuesThePromptAndRepeatsItself) {
  const Args args = {"generate",         demo_model(),       "--prompt",
                     "once upon a time", "--max-new-tokens", "12"};
  const Json json = answer(args);
  EXPECT_EQ(json["new_tokens"], 12);
  EXPECT_THAT(json["text"].get<std::string>(), StartsWith(", ")) << "the continuation alone";
  EXPECT_EQ(run(args).out, json["text"].get<std::string>() + "\n");
  Args warm = args;
  for (const char* more : {"--temperature", "1", "--seed", "3"}) warm.push_back(more);
  EXPECT_EQ(answer(warm)["ids"], answer(warm)["ids"]);
  EXPECT_NE(answer(warm)["ids"], json["ids"]);
}

// The embedded model with NaN (all bits set is one in every floating type) in one of its tensors.
fs::path broken_model(const TempFolder& temp, const std::string& tensor) {
  const fs::path model = temp.path() / "model", file = model / "model.safetensors";
  fs::copy(demo_model(), model, fs::copy_options::recursive);
  std::string bytes = read_file(file);
  size_t header = 0;
  for (size_t i = 8; i-- > 0;) header = header << 8 | static_cast<unsigned char>(bytes[i]);
  const Json place = Json::parse(bytes.substr(8, header))[tensor]["data_offsets"];
  for (size_t i = place[0]; i < place[1]; ++i) bytes[8 + header + i] = '\xff';
  write_file(file, bytes);
  return model;
}

TEST(NotFinite, WeightsAreOneErrorOfEveryVerbThatComputes) {
  TempFolder temp;
  const std::string model = broken_model(temp, "model.layers.3.mlp.down_proj.weight").string(),
                    out = (temp.path() / "out").string();
  Args prune = prune_args(out, {"--remove", "0.2"});
  prune[1] = model;
  const std::vector<Args> commands = {
      {"generate", model, "--prompt", "once upon a time", "--max-new-tokens", "4"},
      {"generate", model, "--prompt", "once upon a time", "--temperature", "1"},
      {"eval", model, "--text", demo_evaluation(), "--protocol", "windows:128", "--limit", "3"},
      {"score", model, "--criterion", "amp-heads", "--calibration", demo_calibration(), "--samples",
       "4", "--out", out},
      {"recover", model, "--data", demo_calibration(), "--out", out, "--tokens", "100",
       "--max-tokens", "32"},
      prune};
  for (const Args& args : commands) {
    const Ran ran = run(args);
    EXPECT_EQ(ran.exit, 1) << args[0];
    EXPECT_THAT(ran.err, AllOf(HasSubstr("error: "), HasSubstr("not finite"))) << args[0];
    EXPECT_THAT(ran.out, IsEmpty()) << args[0];
    EXPECT_FALSE(fs::exists(out)) << args[0];
    fs::remove_all(out + ".partial");
  }
}

TEST(Tokenize, PrintsOneLineOfIdsForEveryLine) {
  TempFolder temp;
  write_file(temp.path() / "t.txt", "once upon\n\na time");
  const Ran plain = run({"tokenize", demo_model(), "--text", temp.path() / "t.txt"});
  ASSERT_EQ(plain.exit, 0) << plain.err;
  EXPECT_EQ(std::count(plain.out.begin(), plain.out.end(), '\n'), 3);
  EXPECT_THAT(plain.out, HasSubstr("\n\n"));
  const Ran special = run(
      {"tokenize", demo_model() / "tokenizer.model", "--text", temp.path() / "t.txt", "--special"});
  EXPECT_THAT(special.out, StartsWith("1 "));
  const Json json = answer({"tokenize", demo_model(), "--text", temp.path() / "t.txt"});
  EXPECT_EQ(json["lines"].size(), 3u);
  EXPECT_EQ(json["lines"][1], Json::array());
}

TEST(List, ShowsEveryTable) {
  for (const std::string table :
       {"criteria", "selectors", "branches", "protocols", "families", "budgets", "rules"}) {
    const Json rows = answer({"list", table})[table];
    ASSERT_GT(rows.size(), 1u) << table;
    for (const Json& row : rows) {
      EXPECT_THAT(row["name"].get<std::string>(), Not(IsEmpty()));
      EXPECT_THAT(row["summary"].get<std::string>(), Not(IsEmpty()));
    }
  }
  EXPECT_THAT(run({"list", "selectors"}).out, HasSubstr("perplexity"));
}

TEST(Program, TellsItsVersionAndHelp) {
  const Ran version = run({"--version"});
  EXPECT_EQ(version.exit, 0);
  EXPECT_THAT(version.out, HasSubstr("commit "));
  EXPECT_THAT(version.out, HasSubstr("LibTorch 2."));
  const Ran help = run({"prune", "--help"});
  EXPECT_EQ(help.exit, 0);
  EXPECT_THAT(help.out, HasSubstr("--min-kv-groups"));
  EXPECT_THAT(help.err, IsEmpty());
}

// Through a shell, which redirects.
Ran run_in_shell(const TempFolder& temp, const std::string& arguments) {
  const std::string err = (temp.path() / "err").string();
  const int status = std::system(fmt::format("{} {} 2>{}", MOP_PROGRAM, arguments, err).c_str());
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, "", read_file(err)};
}

TEST(Program, SaysThatNobodyGotItsAnswer) {
  TempFolder temp;
  for (const std::string command : {"list criteria", "list criteria --json", "--help", "--version",
                                    "prune --help", "tokenize --help"}) {
    for (const std::string redirection : {">/dev/full", ">&-"}) {
      const Ran ran = run_in_shell(temp, command + " " + redirection);
      EXPECT_EQ(ran.exit, 1) << command << redirection;
      EXPECT_THAT(ran.err, HasSubstr("error: cannot write to standard output: ")) << command;
    }
  }
}

// The next file that is opened takes the number of a stream that was closed.
TEST(Program, WritesNothingMeantForAClosedStreamIntoItsFiles) {
  TempFolder temp;
  const fs::path whole = temp.path() / "whole", closed = temp.path() / "closed";
  const auto command = [](const fs::path& out) {
    std::string text;
    for (const std::string& arg : prune_args(out, {"--iterations", "1", "--select", "path:L"})) {
      text += arg + " ";
    }
    return text;
  };
  ASSERT_EQ(run_in_shell(temp, command(whole) + ">/dev/null").exit, 0);
  EXPECT_EQ(run_in_shell(temp, command(closed) + "<&- >&-").exit, 1);
  EXPECT_THAT(differing(whole, closed), IsEmpty());
  EXPECT_THAT(read_file(closed / "run/run.log"), Not(HasSubstr("in layers")));
  fs::remove_all(closed);
  const std::string all = fmt::format("{} {} <&- >&- 2>&-", MOP_PROGRAM, command(closed));
  EXPECT_EQ(WEXITSTATUS(std::system(all.c_str())), 1);
  EXPECT_THAT(differing(whole, closed), IsEmpty());
}

TEST(Program, WritesItsAnswerToAFileToo) {
  TempFolder temp;
  const fs::path file = temp.path() / "answer.json";
  const Ran ran = run({"inspect", demo_model(), "--json", "--out", file});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(read_json(file), ran.json());
  EXPECT_THAT(ran.err, IsEmpty());
}

TEST(Program, TakesAThreadCount) {
  TempFolder temp;
  ASSERT_EQ(run(prune_args(temp.path() / "out",
                           {"--iterations", "1", "--select", "path:L", "--threads", "1"}))
                .exit,
            0);
  EXPECT_EQ(read_json(temp.path() / "out" / "run" / "manifest.json")["compute"]["threads"], 1);
  EXPECT_EQ(run({"inspect", demo_model(), "--threads", "0"}).exit, 2) << "inspect computes nothing";
}

}  // namespace
}  // namespace mop::testing
