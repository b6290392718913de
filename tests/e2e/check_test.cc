// tests/e2e/check_test.cc -- mop check: our own reader, and readers that are missing, lie, crash or
// hang.
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <fstream>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "e2e/program.h"
#include "export/hf_writer.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;

class Check : public ::testing::Test {
 protected:
  // A program in the place of Python.
  std::string fake(const std::string& body) const {
    const fs::path file = folder_.path() / "python";
    write_file(file, "#!/bin/sh\n" + body + "\n");
    fs::permissions(file, fs::perms::owner_all);
    return file.string();
  }
  Ran check(const Args& more) const {
    Args args = {"check", demo_model().string(), "--max-new-tokens", "4"};
    args.insert(args.end(), more.begin(), more.end());
    return run(args);
  }
  // The row of the only reader that was asked.
  Json ask(const std::string& python, const Args& more = {}) const {
    Args args = {"--with", "transformers", "--json", "--python", python};
    args.insert(args.end(), more.begin(), more.end());
    return check(args).json()["readers"][1];
  }
  TempFolder folder_;
};

TEST_F(Check, OurOwnReaderNeedsNoPython) {
  const Ran ran = check({"--python", "/there/is/none"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("mop"));
  EXPECT_THAT(ran.out, HasSubstr("not installed"));
}

TEST_F(Check, AReaderThatIsNotInstalledIsARow) {
  const Json row = ask(fake(R"(echo '{"missing": "No module named transformers"}')"));
  EXPECT_EQ(row["status"], "not installed");
  EXPECT_EQ(row["detail"], "No module named transformers");
}

TEST_F(Check, AReaderThatCrashesIsARow) {
  const Json row = ask(fake("echo something >&2; kill -SEGV $$"));
  EXPECT_EQ(row["status"], "fails");
  EXPECT_THAT(row["detail"].get<std::string>(), HasSubstr("exit code -11: something"));
}

TEST_F(Check, AReaderThatHangsIsEndedWithAllItStarted) {
  const Json row = ask(fake("sleep 600 & sleep 600"), {"--timeout", "1"});
  EXPECT_EQ(row["status"], "fails");
  EXPECT_EQ(row["detail"], "timeout after 1 s");
}

TEST_F(Check, AReaderThatComputesSomethingElseFailsTheCheck) {
  const std::string python = fake(
      R"(echo '{"version": "5.1", "difference": 0.5, "greedy": [1], "tokens_per_second": 2}')");
  const Json row = ask(python);
  EXPECT_EQ(row["status"], "differs");
  EXPECT_EQ(row["greedy_equal"], false);
  const Ran ran = check({"--with", "transformers", "--python", python});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.out, HasSubstr("transformers: expected logits within 0.0001"));
}

TEST_F(Check, AReadersErrorIsItsRow) {
  const Json row = ask(fake(R"(echo '{"version": "9", "error": "KeyError: x"}')"));
  EXPECT_EQ(row["status"], "fails");
  EXPECT_EQ(row["detail"], "KeyError: x");
}

TEST_F(Check, LlamaCppIsGivenAFolderAsATemporaryFile) {
  const std::string magic = (folder_.path() / "magic").string();
  const std::string python = fake(
      "if [ \"$1\" = -c ]; then echo True; exit; fi\n"
      "file=$(grep -o '/[^\"]*/model.gguf' \"$2\"); head -c 4 \"$file\" >" +
      magic + "; printf %s \"$file\" >" + magic + ".name\n" +
      R"(echo '{"version": "7", "difference": 1e-6, "greedy": [], "tokens_per_second": 2}')");
  const Ran ran = check({"--with", "llama.cpp", "--python", python, "--json"});
  const Json row = ran.json()["readers"][1];
  EXPECT_EQ(row["reader"], "llama.cpp");
  EXPECT_EQ(row["version"], "7") << row;
  EXPECT_EQ(read_file(magic), "GGUF");
  EXPECT_FALSE(fs::exists(read_file(magic + ".name")));
}

TEST_F(Check, WithoutLlamaCppNoFileIsMade) {
  const std::string python = fake("echo False");
  const Json row =
      check({"--with", "llama.cpp", "--python", python, "--json"}).json()["readers"][1];
  EXPECT_EQ(row["status"], "not installed");
  EXPECT_EQ(row["detail"], "No module named 'xllamacpp'");
}

TEST_F(Check, WhatGgufCannotExpressIsNotRunAndSaysWhy) {
  const fs::path model = folder_.path() / "m";
  write_random_model(model,
                     {.family = "qwen3", .vocab = 2048, .extra = R"({"attention_bias": true})"});
  fs::copy_file(demo_model() / "tokenizer.model", model / "tokenizer.model");
  const Ran ran = run(
      {"check", model.string(), "--with", "llama.cpp", "--python", fake("echo True"), "--json"});
  EXPECT_EQ(ran.exit, 0) << ran.err;
  const Json row = ran.json()["readers"][1];
  EXPECT_EQ(row["status"], "not run");
  EXPECT_THAT(row["detail"].get<std::string>(), HasSubstr("cannot write a .gguf file: llama.cpp"));
}

TEST_F(Check, AReaderOlderThanTheModelNeedsIsToldSo) {
  const fs::path model = folder_.path() / "m";
  write_random_model(model,
                     {.family = "mistral",
                      .extra = R"({"rope_scaling": {"rope_type": "linear", "factor": 2.0}})"});
  const auto detail = [&](const std::string& version) {
    const std::string python =
        fake(R"(echo '{"version": ")" + version +
             R"(", "difference": 0.5, "greedy": [], "tokens_per_second": 2}')");
    return run({"check", model.string(), "--with", "transformers", "--python", python, "--json"})
        .json()["readers"][1]["detail"]
        .get<std::string>();
  };
  EXPECT_THAT(detail("4.45.2"), HasSubstr("this model needs transformers 4.48 or later"));
  EXPECT_THAT(detail("4.48.0"), ::testing::Not(HasSubstr("or later")));
  EXPECT_THAT(detail("5.0"), ::testing::Not(HasSubstr("or later")));
}

// Of a scaled Mistral's code: who is recent is asked as everybody loads it, without.
TEST_F(Check, CodeForOldVersionsIsForThemAlone) {
  const fs::path source = folder_.path() / "source", model = folder_.path() / "m";
  write_random_model(source, {.family = "mistral", .extra = R"({"sliding_window": null,
                          "rope_scaling": {"rope_type": "linear", "factor": 2.0}})"});
  fs::create_directory(model);
  write_hf(Model::open(source), model);
  const fs::path job = folder_.path() / "job";
  const std::string python = fake("cp $2 " + job.string() +
                                  R"(; echo '{"version": "4.45.2", "difference": 0, "greedy": [],
                       "tokens_per_second": 2}' | tr -d '\n')");
  const Ran ran = run({"check", model.string(), "--with", "transformers", "--dtype", "bfloat16",
                       "--python", python});
  EXPECT_THAT(ran.out, HasSubstr("transformers: only with trust_remote_code=True\n"));
  EXPECT_EQ(read_json(job)["code"], true);
  EXPECT_EQ(read_json(job)["code_before"], "4.48");
}

TEST_F(Check, CodeThatWeDidNotWriteIsNotRun) {
  const fs::path copy = folder_.path() / "model";
  fs::copy(demo_model(), copy);
  Json config = read_json(copy / "config.json");
  config["auto_map"] = {{"AutoModelForCausalLM", "evil.Model"}};
  write_file(copy / "config.json", to_text(config));
  write_file(copy / "evil.py", "raise SystemExit");
  const Ran ran =
      run({"check", copy.string(), "--json", "--python", fake("exit 3"), "--max-new-tokens", "1"});
  EXPECT_EQ(ran.json()["readers"][1]["status"], "not run");
}

TEST_F(Check, AValueThatIsNotFiniteIsAnError) {
  const fs::path copy = folder_.path() / "model";
  fs::copy(demo_model(), copy);
  const TensorEntry entry = Checkpoint::open(copy)->entry("model.layers.2.mlp.up_proj.weight");
  std::fstream file(copy / "model.safetensors", std::ios::binary | std::ios::in | std::ios::out);
  file.seekp(static_cast<std::streamoff>(entry.begin));
  file.write("\xff\xff\xff\xff", 4);
  file.close();
  const Ran ran = run({"check", copy.string()});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.err,
              HasSubstr("tensor model.layers.2.mlp.up_proj.weight has values that are not finite"));
}

TEST_F(Check, UnknownReadersAreAUsageError) {
  const Ran ran = check({"--with", "fortran"});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("known: transformers, peft, llama.cpp"));
}

TEST_F(Check, AnAdapterWhoseModelIsAwayIsAUsageError) {
  write_file(folder_.path() / "adapter_config.json",
             R"({"peft_type": "LORA", "lora_alpha": 1, "base_model_name_or_path": "org/away"})");
  const Ran ran = run({"check", folder_.path().string()});
  EXPECT_EQ(ran.exit, 2);
  EXPECT_THAT(ran.err, HasSubstr("the adapter's base model was not found: 'org/away'"));
}

TEST_F(Check, CausesThatTheReaderNamesStandBehindADifference) {
  const std::string said = R"("version": "5.1", "greedy": [], "tokens_per_second": 2,
                              "causes": ["its rope_theta is 7, mop reads 10000.0"],
                              "tokenizer": "its tokenizer does not load: ValueError: x", )";
  const auto detail = [&](const std::string& difference) {
    std::string line = "{" + said + "\"difference\": " + difference + "}";
    std::erase(line, '\n');
    return ask(fake("echo '" + line + "'"), {"--dtype", "bfloat16"})["detail"].get<std::string>();
  };
  EXPECT_EQ(
      detail("0.5"),
      "expected logits within 0.02; its rope_theta is 7, mop reads 10000.0; its tokenizer does "
      "not load: ValueError: x");
  EXPECT_EQ(detail("0.001"), "its tokenizer does not load: ValueError: x");
}

// The real reader is given a config.json that says something else than the one we read.
class CheckNamesTheCause : public Check {
 protected:
  void SetUp() override {
    for (const char* name : {"reference", "reference4"}) {
      if (!fs::exists(environment(name)))
        GTEST_SKIP() << "skipped: no reference environment (./run setup --reference)";
    }
    fs::create_directory(model_);
    for (const auto& file : fs::directory_iterator(demo_model()))
      fs::copy_file(file.path(), model_ / file.path().filename());
  }
  static fs::path environment(const std::string& name) {
    return fs::path(MOP_SOURCE_DIR) / ".env" / name / "bin/python";
  }
  // What `check` says of a reader that finds `file` with `from` replaced by `to`.
  std::string detail(const std::string& name, const std::string& file, const std::string& from,
                     const std::string& to) const {
    const std::string path = (model_ / file).string(), before = read_file(path);
    std::string text = before;
    const size_t at = text.find(from);
    EXPECT_NE(at, text.npos) << file << " has no " << from;
    write_file(folder_.path() / "other", text.replace(at, from.size(), to));
    const std::string python = fake("cp " + (folder_.path() / "other").string() + " " + path +
                                    "\nexec " + environment(name).string() + " \"$@\"");
    const Ran ran = run({"check", model_.string(), "--with", "transformers", "--json", "--python",
                         python, "--prompt", "once upon a time", "--max-new-tokens", "4"});
    write_file(path, before);
    return ran.json()["readers"][1]["detail"].get<std::string>();
  }
  const fs::path model_ = folder_.path() / "m";
};

TEST_F(CheckNamesTheCause, SettingsThatTheReaderHasOtherwise) {
  for (const char* name : {"reference", "reference4"}) {
    const std::string said =
        detail(name, "config.json", "\"rms_norm_eps\": 1e-05,\n  \"rope_theta\": 10000.0",
               R"("rms_norm_eps": 0.1, "rope_theta": 500.0,
                  "rope_scaling": {"rope_type": "linear", "factor": 2.0})");
    for (const char* cause :
         {"its rope_theta is 500.0, mop reads 10000.0",
          "its rope_type is linear, mop reads default", "its rope factor is 2.0, mop reads 1.0",
          "its rms_norm_eps is 0.1, mop reads 1e-05"}) {
      EXPECT_THAT(said, HasSubstr(cause)) << name;
    }
  }
}

// transformers 5 saves a class name that 4 does not know.
TEST_F(CheckNamesTheCause, ATokenizerClassThatTheReaderDoesNotKnow) {
  const std::string detail4 =
      detail("reference4", "tokenizer_config.json", "LlamaTokenizer", "TokenizersBackend");
  EXPECT_THAT(detail4, HasSubstr("its tokenizer does not load"));
  EXPECT_THAT(detail4, HasSubstr("TokenizersBackend"));
}

// The readers themselves, where the reference environment is set up.
TEST_F(Check, TransformersLlamaCppAndPeftAgreeWithUs) {
  const fs::path python = fs::path(MOP_SOURCE_DIR) / ".env/reference/bin/python";
  if (!fs::exists(python))
    GTEST_SKIP() << "skipped: no reference environment (./run setup --reference)";
  const Json row = ask(python.string());
  EXPECT_EQ(row["status"], "loads") << row;
  EXPECT_EQ(row["greedy_equal"], true);
  const Json llama =
      check({"--with", "llama.cpp", "--python", python.string(), "--json"}).json()["readers"][1];
  EXPECT_EQ(llama["status"], "loads") << llama;
  EXPECT_EQ(llama["greedy_equal"], true);

  const fs::path adapter = folder_.path() / "adapter";
  fs::create_directories(adapter);
  const std::string module = "base_model.model.model.layers.3.mlp.up_proj";
  write_safetensors(adapter / "adapter_model.safetensors",
                    {{module + ".lora_A.weight", at::full({2, 192}, 0.01)},
                     {module + ".lora_B.weight", at::full({512, 2}, 0.02)}},
                    {{"format", "pt"}});
  const Json config = {{"peft_type", "LORA"},
                       {"task_type", "CAUSAL_LM"},
                       {"r", 2},
                       {"lora_alpha", 8},
                       {"target_modules", "model.layers.3.mlp.up_proj"}};
  write_file(adapter / "adapter_config.json", to_text(config));
  const Ran ran = check({"--adapter", adapter.string(), "--python", python.string(), "--json"});
  EXPECT_EQ(ran.json()["readers"][1]["reader"], "peft");
  EXPECT_EQ(ran.json()["readers"][1]["status"], "loads") << ran.out;
}

}  // namespace
}  // namespace mop::testing
