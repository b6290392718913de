// What the program says of itself, as its rows and verbs declare it: lists, help, completion,
// manual.
#include <regex>
#include <set>

#include "base/files.h"
#include "e2e/program.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

Json json_of(const Args& args) {
  Args with_json = args;
  with_json.push_back("--json");
  return run(with_json).json();
}

TEST(Declared, NamesEveryTable) {
  const Json tables = json_of({"list"})["tables"];
  EXPECT_GT(tables.size(), 20u);
  for (const Json& table : tables) {
    EXPECT_THAT(run({"list"}).out, HasSubstr(table["name"].get<std::string>()));
  }
}

TEST(Declared, ShowsWhatARowDeclares) {
  const Json rows = json_of({"list", "criteria", "wanda-sp"})["criteria"];
  ASSERT_EQ(rows.size(), 2u) << "of heads and of neurons";
  EXPECT_THAT(rows[0]["source"].get<std::string>(), HasSubstr("arXiv 2306.11695"));
  EXPECT_EQ(rows[0]["deviations"], Json({"D16", "D17", "D18"}));
  const Json owl = json_of({"list", "allocations", "owl"})["allocations"][0]["options"][0];
  EXPECT_EQ(owl, (Json{{"name", "owl_lambda"},
                       {"type", "number"},
                       {"default", 0.08},
                       {"range", {{"least", 0.0}}},
                       {"help", "maximum difference of a layer's share from the mean"},
                       {"key", "width.owl_lambda"}}));
  const std::string text = run({"list", "allocations", "owl"}).out;
  EXPECT_THAT(text,
              HasSubstr("width.owl_lambda  number, default 0.08; at least 0: maximum difference"));
  EXPECT_THAT(text, HasSubstr("OWL, arXiv 2310.05175"));
}

TEST(Declared, TheReferenceIsWhatTheProgramDeclares) {
  const Ran ran = run({"list", "--markdown"});
  ASSERT_EQ(ran.exit, 0) << ran.err;
  EXPECT_EQ(ran.out, read_file(fs::path(MOP_SOURCE_DIR) / "docs/reference.md"))
      << "build/src/mop list --markdown > docs/reference.md";
}

// Words that `mop VERB --help` has for flags.
std::set<std::string> flags_in_help(const std::string& verb) {
  const std::string help = run({verb, "--help"}).out;
  const std::regex flag("--[a-z][a-z-]*");
  std::set<std::string> flags;
  for (std::sregex_iterator it(help.begin(), help.end(), flag), end; it != end; ++it) {
    flags.insert(it->str());
  }
  return flags;
}

// The examples in `mop --help`: the verb, and the rest of the command line.
std::vector<std::pair<std::string, std::string>> examples_of(const std::string& help) {
  const std::regex example("\\n +mop ([a-z]+)([^\\n]*)");
  std::vector<std::pair<std::string, std::string>> examples;
  for (std::sregex_iterator it(help.begin(), help.end(), example), end; it != end; ++it) {
    examples.emplace_back((*it)[1], (*it)[2]);
  }
  EXPECT_EQ(examples.size(), 16u);
  return examples;
}

TEST(Declared, HelpShowsVerbsByTaskWithExamplesThatTheyTake) {
  const std::string help = run({"--help"}).out;
  for (const char* task : {"Look at a model:", "Make it smaller:", "Train:", "Measure:", "Use:"}) {
    EXPECT_THAT(help, HasSubstr(task));
  }
  const std::regex flag(" (--[a-z-]+)");
  for (const auto& [verb, rest] : examples_of(help)) {
    const std::set<std::string> known = flags_in_help(verb);
    for (std::sregex_iterator f(rest.begin(), rest.end(), flag), last; f != last; ++f) {
      EXPECT_TRUE(known.contains((*f)[1])) << verb << (*f)[1];
    }
    EXPECT_THAT(run({verb, "--help"}).out, HasSubstr("mop " + verb + rest));
  }
}

// The lines of `text` from `first` to before `end`.
std::string lines_of(const std::string& text, int64_t first, int64_t end) {
  std::istringstream lines(text);
  std::string some, line;
  for (int64_t i = 0; i < end && std::getline(lines, line); ++i) {
    if (i >= first) some += line + "\n";
  }
  return some;
}

// In a folder that has what they name, each after those before it in the help.
TEST(Declared, ExamplesOfTheHelpRun) {
  TempFolder temp;
  const fs::path model = temp.path() / "org/model";
  write_random_model(model, {.layers = 2, .mlp = 1024, .vocab = 2048, .context = 2048});
  for (const char* file : {"tokenizer.model", "tokenizer_config.json"}) {
    fs::copy_file(demo_model() / file, model / file);
  }
  fs::copy_file(model / "config.json", temp.path() / "config.json");
  const std::string text = read_file(demo_calibration());
  write_file(temp.path() / "text.txt", lines_of(text, 0, 40));
  write_file(temp.path() / "test.txt", lines_of(text, 40, 80));
  for (const char* folder :
       {"bin", ".local/share/bash-completion/completions", ".local/share/man/man1"})
    fs::create_directories(temp.path() / folder);
  fs::create_symlink(MOP_PROGRAM, temp.path() / "bin/mop");
  const std::string surroundings =
      fmt::format("cd '{0}' && export HOME='{0}' PATH='{0}/bin':$PATH && ", temp.path().string());
  for (const auto& [verb, rest] : examples_of(run({"--help"}).out)) {
    const std::string command = "mop " + verb + rest;
    const fs::path log = temp.path() / "log";
    EXPECT_EQ(
        std::system((surroundings + "{ " + command + "; } >" + log.string() + " 2>&1").c_str()), 0)
        << command << "\n"
        << read_file(log);
  }
  for (const char* made :
       {"smaller/model.safetensors", "recovered/model.safetensors", "fresh/model.safetensors",
        "smaller.gguf", "report.html", ".local/share/man/man1/mop.1"}) {
    EXPECT_TRUE(fs::exists(temp.path() / made)) << made;
  }
}

// What bash offers behind these words.
std::string completed(const std::string& words) {
  TempFolder temp;
  const fs::path script = temp.path() / "mop.bash", out = temp.path() / "out";
  write_file(script, run({"completion", "bash"}).out);
  const std::string command = fmt::format(
      "bash -c 'source {}; COMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _mop "
      "2>/dev/null; echo ${{COMPREPLY[@]}}' >{}",
      script.string(), words, out.string());
  EXPECT_EQ(std::system(command.c_str()), 0) << command;
  return read_file(out);
}

TEST(Declared, CompletionOffersVerbsFlagsNamesAndSettings) {
  EXPECT_EQ(completed("mop pr"), "prune\n");
  EXPECT_EQ(completed("mop prune --min"), "--min-kv-groups\n");
  EXPECT_EQ(completed("mop prune --budget \"\""), "exact released\n");
  EXPECT_EQ(completed("mop prune --repair = le"), "least-squares\n");
  EXPECT_EQ(completed("mop prune --set width.owl"), "width.owl_lambda=\n");
  EXPECT_EQ(completed("mop recover --set lora.r"), "lora.rank=\n");
  EXPECT_EQ(completed("mop eval --protocol w"), "windows word\n");
  EXPECT_EQ(completed("mop list dep"), "depth-rules\n");
  EXPECT_EQ(completed("mop list repairs b"), "bias\n");
  EXPECT_EQ(completed("mop prune fold"), "\n") << "files are the shell's";
  EXPECT_THAT(run({"completion", "zsh"}).out, HasSubstr("bashcompinit"));
}

TEST(Declared, ManualHasEveryVerbFlagAndSetting) {
  const Ran ran = run({"man"});
  std::string page = ran.out;
  for (size_t at = 0; (at = page.find("\\-", at)) != page.npos;) page.erase(at, 1);
  EXPECT_THAT(page, StartsWith(".TH MOP 1"));
  for (const std::string verb : {"prune", "completion", "man"}) {
    EXPECT_THAT(page, HasSubstr(".SS mop " + verb));
  }
  for (const std::string& flag : flags_in_help("prune")) EXPECT_THAT(page, HasSubstr(flag));
  EXPECT_THAT(page, HasSubstr("\\fBwidth.owl_lambda\\fR"));
  EXPECT_THAT(page, HasSubstr("\\fBlora.rank\\fR"));
  TempFolder temp;
  write_file(temp.path() / "mop.1", ran.out);
  if (std::system("command -v groff >/dev/null 2>&1") != 0) return;
  const std::string check =
      fmt::format("groff -man -Tutf8 -ww {0}/mop.1 >{0}/text 2>{0}/warnings", temp.path().string());
  EXPECT_EQ(std::system(check.c_str()), 0);
  EXPECT_THAT(read_file(temp.path() / "warnings"), IsEmpty());
}

}  // namespace
}  // namespace mop::testing
