// mop eval from the command line: protocols, a model beside another, zero-shot tasks, warnings.
#include <algorithm>

#include "e2e/program.h"

namespace mop::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

fs::path task_data() { return fs::path(MOP_SOURCE_DIR) / "tests/golden/tasks/data"; }

Args eval_args(const fs::path& model, const Args& more) {
  Args args = {"eval", model.string()};
  args.insert(args.end(), more.begin(), more.end());
  return args;
}

Json answer(const fs::path& model, Args more) {
  more.push_back("--json");
  const Ran ran = run(eval_args(model, more));
  EXPECT_EQ(ran.exit, 0) << ran.err;
  return ran.json();
}

void expect_refusal(const Args& more, int exit, const std::string& text) {
  const Ran ran = run(eval_args(demo_model(), more));
  EXPECT_EQ(ran.exit, exit) << ran.err;
  EXPECT_THAT(ran.err, HasSubstr(text));
  EXPECT_EQ(ran.out, "");
}

/// The first lines of a text, in a file of its own.
fs::path first_lines(const fs::path& text, int64_t lines, const fs::path& file) {
  const std::string bytes = read_file(text);
  size_t end = 0;
  while (lines-- > 0) end = bytes.find('\n', end) + 1;
  write_file(file, bytes.substr(0, end));
  return file;
}

int64_t lines_in(const fs::path& file) {
  const std::string bytes = read_file(file);
  return std::count(bytes.begin(), bytes.end(), '\n');
}

fs::path only_file(const fs::path& folder, const std::string& beginning) {
  fs::path found;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.path().filename().string().starts_with(beginning)) continue;
    EXPECT_EQ(found, "") << "another " << beginning;
    found = entry.path();
  }
  EXPECT_NE(found, "") << beginning;
  return found;
}

TEST(EvalVersus, AModelBesideItself) {
  TempFolder temp;
  const fs::path text = first_lines(demo_evaluation(), 8, temp.path() / "t.txt");
  const Args flags = {"--vs", demo_model(), "--text", text, "--protocol", "lines"};
  const Json json = answer(demo_model(), flags);
  EXPECT_NEAR(json["kl"].get<double>(), 0., 1e-6);
  EXPECT_EQ(json["top1_agreement"], 1.);
  EXPECT_EQ(json["perplexity_ratio"], 1.);
  EXPECT_EQ(json["model"], json["dense"]);
  EXPECT_EQ(json["model"]["parameters"], 5657280);
  EXPECT_EQ(json["model"]["kv_cache_bytes_per_token"], 12 * 2 * 3 * 32 * 2);
  const Json alone = answer(demo_model(), {"--text", text, "--protocol", "lines"});
  EXPECT_NEAR(json["perplexity"].get<double>(), alone["perplexity"].get<double>(), 1e-5);
  EXPECT_EQ(json["scored_tokens"], alone["scored_tokens"]);
  EXPECT_EQ(json["text_sha256"], alone["text_sha256"]);
}

TEST(EvalVersus, APrunedModelBesideTheDenseOneAndItsCalibrationTextIsNoTest) {
  TempFolder temp;
  const fs::path pruned = temp.path() / "pruned";
  ASSERT_EQ(run(prune_args(pruned, {"--iterations", "1", "--select", "path:L"})).exit, 0);
  const fs::path text = first_lines(demo_evaluation(), 8, temp.path() / "t.txt");
  const Ran ran = run(eval_args(
      pruned, {"--vs", demo_model(), "--text", text, "--protocol", "windows:64", "--json"}));
  ASSERT_EQ(ran.exit, 0) << ran.err;
  const Json json = ran.json();
  EXPECT_GT(json["kl"], 0.01);
  EXPECT_LT(json["top1_agreement"], 1.);
  EXPECT_GT(json["perplexity_ratio"], 1.);
  EXPECT_LT(json["model"]["parameters"], json["dense"]["parameters"]);
  EXPECT_EQ(json["overlap"]["shared"], 0);
  EXPECT_THAT(ran.err, Not(HasSubstr("warning")));

  const fs::path seen = first_lines(demo_calibration(), 4, temp.path() / "seen.txt");
  const Ran warned = run(eval_args(pruned, {"--text", seen, "--protocol", "lines", "--json"}));
  ASSERT_EQ(warned.exit, 0) << warned.err;
  EXPECT_EQ(warned.json()["overlap"]["shared"], 4);
  EXPECT_THAT(warned.err, AllOf(HasSubstr("warning: 4 of 4 lines of the text (100.00%)"),
                                HasSubstr("run/samples.json")));
}

TEST(EvalText, ALimitIsToldOfOneModelAndOfTwo) {
  const Args few = {"--text", demo_evaluation(), "--protocol", "lines", "--limit", "3"};
  const Ran alone = run(eval_args(demo_model(), few));
  EXPECT_THAT(alone.out,
              HasSubstr("tokens of 3 documents, limited by --limit 3: 253 are left out"));
  Args more = few;
  more.insert(more.end(), {"--vs", demo_model()});
  const Json both = answer(demo_model(), more);
  EXPECT_EQ(both["limit"], 3);
  EXPECT_EQ(both["left_out"], 253);
  EXPECT_EQ(both["documents"], 3);
  more = few;
  more.insert(more.end(), {"--tasks", "piqa", "--data", task_data()});
  expect_refusal(more, 2, "--text");
}

TEST(EvalVersus, TablesNameBothModels) {
  TempFolder temp;
  const fs::path text = first_lines(demo_evaluation(), 4, temp.path() / "t.txt");
  const Ran ran =
      run(eval_args(demo_model(), {"--vs", demo_model(), "--text", text, "--protocol", "lines"}));
  EXPECT_THAT(ran.out,
              AllOf(HasSubstr("dense"), HasSubstr("top-1 agreement"), HasSubstr("KL(dense"),
                    HasSubstr("KV cache bytes/token"), HasSubstr("tokenizer")));
  const Ran tasks = run(eval_args(demo_model(), {"--vs", demo_model(), "--tasks", "winogrande",
                                                 "--data", task_data(), "--limit", "4"}));
  EXPECT_THAT(tasks.out, AllOf(HasSubstr("--vs"), HasSubstr("change"), HasSubstr("+0.0000")));
}

TEST(EvalVersus, RefusesOtherTokens) {
  TempFolder temp;
  const fs::path text = first_lines(demo_evaluation(), 2, temp.path() / "t.txt");
  const fs::path other = temp.path() / "other";
  fs::copy(demo_model(), other);
  write_file(
      other / "tokenizer.json",
      R"({"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": ["a b"]}})");
  expect_refusal({"--vs", other, "--text", text, "--protocol", "lines"}, 1,
                 "tokenizers give different tokens, first in sequence 1");
}

TEST(Eval, SaysWhenTheCalibrationFileIsEvaluatedOn) {
  TempFolder temp;
  const fs::path text = first_lines(demo_evaluation(), 6, temp.path() / "t.txt");
  const fs::path half = first_lines(demo_evaluation(), 3, temp.path() / "half.txt");
  const Ran ran = run(eval_args(
      demo_model(), {"--text", text, "--protocol", "lines", "--calibration", half, "--json"}));
  EXPECT_THAT(ran.err, HasSubstr("warning: 3 of 6 lines of the text (50.00%) are in the "
                                 "calibration file"));
  EXPECT_EQ(ran.json()["overlap"]["fraction"], 0.5);
  EXPECT_FALSE(answer(demo_model(), {"--text", text, "--protocol", "lines"}).contains("overlap"))
      << "nothing is known of a model that no run made";
}

TEST(Eval, WordGivesTheThreeFiguresOfPages) {
  const Json json =
      answer(demo_model(), {"--text", task_data() / "wikitext-test.jsonl", "--protocol", "word"});
  for (const char* key : {"word_perplexity", "byte_perplexity", "bits_per_byte"}) {
    EXPECT_GT(json[key], 0.) << key;
  }
  EXPECT_EQ(json["documents"], 12);
  expect_refusal({"--text", demo_evaluation(), "--protocol", "word"}, 1,
                 "protocol word counts the words of WikiText pages");
}

TEST(Eval, RefusesAWindowLongerThanTheContext) {
  expect_refusal({"--text", demo_evaluation(), "--protocol", "windows:4096"}, 1,
                 "a window of 4096 tokens is longer than the model's context of 256");
}

TEST(EvalTasks, WritesWhatLmEvalWritesAndStampsTheRules) {
  TempFolder temp;
  const Json json = answer(
      demo_model(), {"--tasks", "piqa,winogrande,wikitext", "--data", task_data(), "--limit", "5",
                     "--fewshot", "2", "--bos", "never", "--out", temp.path(), "--log-samples"});
  EXPECT_EQ(read_json(only_file(temp.path(), "results_")), json);
  EXPECT_EQ(lines_in(only_file(temp.path(), "samples_piqa_")), 5);
  EXPECT_EQ(lines_in(only_file(temp.path(), "samples_wikitext_")), 5);
  for (const char* key : {"results", "configs", "versions", "n-shot", "higher_is_better",
                          "n-samples", "config", "task_hashes", "model_name"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["results"]["piqa"]["sample_len"], 5);
  EXPECT_TRUE(json["results"]["piqa"]["acc,none"].is_number());
  EXPECT_TRUE(json["results"]["piqa"]["acc_norm_stderr,none"].is_number());
  EXPECT_TRUE(json["results"]["wikitext"]["word_perplexity,none"].is_number());
  EXPECT_EQ(json["n-shot"], Json({{"piqa", 2}, {"winogrande", 2}, {"wikitext", 0}}));
  EXPECT_EQ(json["n-samples"]["piqa"]["effective"], 5);
  EXPECT_EQ(json["n-samples"]["piqa"]["original"], 20);
  EXPECT_EQ(json["config"]["limit"], 5.);
  const Json& own = json["mop"];
  EXPECT_EQ(own["bos"], "never");
  EXPECT_EQ(own["dtype"], "float32");
  EXPECT_EQ(own["data"]["piqa"]["fewshot_from"], "train");
  EXPECT_EQ(own["data"]["piqa"]["sha256"],
            sha256(read_file(task_data() / "piqa-validation.jsonl")));
}

TEST(EvalTasks, TheBosRuleChangesFiguresAndIsNamed) {
  const auto perplexity = [](const std::string& rule) {
    const Json json = answer(demo_model(), {"--tasks", "lambada_openai", "--data", task_data(),
                                            "--limit", "6", "--bos", rule});
    EXPECT_THAT(json["mop"]["bos_rule"].get<std::string>(), HasSubstr(rule));
    return json["results"]["lambada_openai"]["perplexity,none"].get<double>();
  };
  EXPECT_EQ(perplexity("auto"), perplexity("always")) << "this tokenizer's own rule adds BOS";
  EXPECT_NE(perplexity("auto"), perplexity("never"));
}

TEST(EvalTasks, SamplesFollowTheRecords) {
  TempFolder temp;
  answer(demo_model(), {"--tasks", "arc_easy", "--data", task_data(), "--limit", "3", "--out",
                        temp.path() / "r.json", "--log-samples"});
  std::istringstream lines(read_file(only_file(temp.path(), "samples_arc_easy_")));
  int64_t index = 0;
  for (std::string line; std::getline(lines, line); ++index) {
    const Json sample = Json::parse(line);
    EXPECT_EQ(sample["doc_id"], index);
    EXPECT_EQ(sample["resps"].size(), sample["doc"]["choices"]["text"].size());
    EXPECT_TRUE(sample["acc"].is_number());
  }
  EXPECT_EQ(index, 3);
  EXPECT_TRUE(fs::exists(temp.path() / "r.json"));
}

TEST(EvalTasks, RefusalsSayWhatWouldDo) {
  TempFolder temp;
  const auto tasks = [&](const std::string& names, const fs::path& data, const Args& more = {}) {
    Args args = {"--tasks", names, "--data", data};
    args.insert(args.end(), more.begin(), more.end());
    return args;
  };
  expect_refusal(tasks("piqa,nonsense", task_data()), 2, "known: wikitext, piqa");
  expect_refusal(tasks("piqa", temp.path()), 1, "piqa-validation.jsonl");
  write_file(temp.path() / "piqa-validation.jsonl",
             "{\"goal\": \"x\", \"sol1\": \"y\", \"label\": 0}\n");
  expect_refusal(tasks("piqa", temp.path()), 1, "the key 'sol2' is missing");
  write_file(temp.path() / "boolq-validation.jsonl", "nonsense\n");
  expect_refusal(tasks("boolq", temp.path()), 1, "line 1 is not a JSON object");
  expect_refusal(tasks("piqa", task_data(), {"--log-samples"}), 2, "--log-samples needs --out");
  expect_refusal(tasks("piqa", task_data(), {"--limit", "0"}), 2, "--limit");
  expect_refusal(tasks("piqa", task_data(), {"--bos", "sometimes"}), 2, "--bos");
  expect_refusal({"--tasks", "piqa"}, 2, "--data");
  expect_refusal(tasks("arc_easy", task_data(), {"--fewshot", "30"}), 1,
                 "31 examples are to be drawn from 20 records");
  expect_refusal({}, 2, "there is nothing to evaluate on");
}

}  // namespace
}  // namespace mop::testing
