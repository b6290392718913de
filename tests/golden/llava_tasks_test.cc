// Tasks with pictures, and readers that are shown one: against transformers on a small random
// LLaVA, remade by tools/golden/llava_tasks.py.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>

#include "base/error.h"
#include "base/files.h"
#include "eval/tasks/task.h"
#include "jobs/bench.h"
#include "jobs/check.h"
#include "jobs/eval_tasks.h"
#include "kit/random_model.h"
#include "model/composite.h"
#include "run/pictures.h"

namespace mop {
namespace {
namespace fs = std::filesystem;
using ::testing::HasSubstr;

fs::path folder() { return fs::path(MOP_SOURCE_DIR) / "tests/golden/llava_tasks"; }

// The text with which a job is refused.
std::string refusal_of(const EvalTasksJob& job) {
  try {
    eval_tasks(job, silent_progress());
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was refused";
}

EvalTasksJob job_of(const std::string& task) {
  EvalTasksJob job;
  job.model = folder() / "model";
  job.data = folder() / "data";
  job.tasks = {task};
  return job;
}

// The lines of samples_TASK_<time>.jsonl in `out`.
std::vector<Json> samples_in(const fs::path& out) {
  std::vector<Json> samples;
  for (const auto& item : fs::recursive_directory_iterator(out)) {
    if (!item.path().filename().string().starts_with("samples_")) continue;
    std::ifstream lines(item.path());
    for (std::string line; std::getline(lines, line);) samples.push_back(Json::parse(line));
  }
  return samples;
}

class LlavaTasks : public ::testing::TestWithParam<const char*> {};

TEST_P(LlavaTasks, LikelihoodsOfAllChoicesAreTransformers) {
  const testing::TempFolder out;
  EvalTasksJob job = job_of(GetParam());
  job.out = out.path();
  job.log_samples = true;
  eval_tasks(job, silent_progress());
  const Json expected = read_json(folder() / "expected.json")[GetParam()];
  const std::vector<Json> samples = samples_in(out.path());
  ASSERT_EQ(samples.size(), expected.size());
  for (size_t i = 0; i < samples.size(); ++i) {
    const Json& replies = samples[i]["filtered_resps"];
    ASSERT_EQ(replies.size(), expected[i].size()) << i;
    for (size_t c = 0; c < replies.size(); ++c) {
      EXPECT_NEAR(std::stod(replies[c][0].get<std::string>()), expected[i][c].get<double>(), 1e-4)
          << samples[i]["arguments"];
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Golden, LlavaTasks,
                         ::testing::Values("scienceqa", "scienceqa_choices", "scienceqa_plain",
                                           "pope", "pope_choices"),
                         [](const auto& info) { return std::string(info.param); });

TEST(LlavaPictures, RowsTakeTheRoomThatIsForecast) {
  const Model model = Model::open(folder() / "model");
  Pictures pictures(model, {});
  const Compute compute{.dtype = at::kBFloat16};
  EXPECT_EQ(pictures.row_bytes(compute), 0);
  const int64_t placeholder = model.config().composite->image_token;
  pictures.placed({1, placeholder, placeholder},
                  {folder() / "data/first.png", folder() / "data/second.jpg"});
  const fs::path scratch = fs::temp_directory_path();
  const Model shown = pictures.shown_to(model, compute, scratch, silent_progress());
  EXPECT_EQ(static_cast<int64_t>(shown.input_rows().nbytes()), pictures.row_bytes(compute));
  EXPECT_EQ(pictures.row_bytes({}), 2 * pictures.row_bytes(compute));
  // The dtype that is computed in loses nothing that an embedding in it would keep.
  const Model exact = pictures.shown_to(model, {}, scratch, silent_progress());
  EXPECT_LE((exact.input_rows() - shown.input_rows()).abs().max().item<double>(),
            0.05 * exact.input_rows().abs().max().item<double>());
}

TEST(LlavaTasksFigures, StandInTheTableBesideAnotherModels) {
  EvalTasksJob job = job_of("pope");
  job.versus = folder() / "model";
  const Json results = eval_tasks(job, silent_progress());
  const Json& figures = results["results"]["pope"];
  // By hand from expected.json: the first of two is yes, the labels are those of the data.
  const Json expected = read_json(folder() / "expected.json")["pope"];
  const std::vector<bool> labels = {true, false, true, false, true};
  double right = 0, yes = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    const bool said = expected[i][0].get<double>() >= expected[i][1].get<double>();
    yes += said;
    right += said == labels[i];
  }
  EXPECT_DOUBLE_EQ(figures["acc,none"].get<double>(), right / 5);
  EXPECT_DOUBLE_EQ(figures["yes_rate,none"].get<double>(), yes / 5);
  EXPECT_EQ(results["mop"]["versus"]["results"]["pope"]["f1,none"], figures["f1,none"]);
  EXPECT_TRUE(results["higher_is_better"]["pope"]["yes_rate"].is_null());
  EXPECT_EQ(results["chat_template_sha"].get<std::string>().size(), 64);
  EXPECT_EQ(results["mop"]["pictures_sha256"].get<std::string>().size(), 64);
  for (const char* name : {"precision (higher is better)", "recall", "yes_rate", "+0.0000"})
    EXPECT_THAT(task_table(results), HasSubstr(name));
}

TEST(LlavaTasksFigures, PicturesMayLieInAFolderOfTheirOwn) {
  const testing::TempFolder data;
  fs::copy_file(folder() / "data/pope.jsonl", data.path() / "pope.jsonl");
  EvalTasksJob job = job_of("pope");
  const Json beside = eval_tasks(job, silent_progress());
  job.data = data.path();
  EXPECT_THAT(refusal_of(job), HasSubstr("--images"));
  job.images = folder() / "data";
  EXPECT_EQ(eval_tasks(job, silent_progress())["results"], beside["results"]);
}

TEST(LlavaTasksRefusals, AreOneClearError) {
  EvalTasksJob job = job_of("scienceqa");
  job.fewshot = 2;
  EXPECT_THAT(refusal_of(job), HasSubstr("task scienceqa has no solved examples"));
  job = job_of("scienceqa");
  job.model = testing::demo_model();
  EXPECT_THAT(
      refusal_of(job),
      AllOf(HasSubstr("there is a picture, but the model does not read pictures: first.png"),
            HasSubstr("scienceqa.jsonl, record 1")));
}

// A model of text is asked what has no picture.
TEST(LlavaTasksRefusals, TextAloneIsNoReasonToRefuse) {
  const testing::TempFolder data;
  write_file(data.path() / "scienceqa.jsonl",
             R"({"question": "who was sad?", "choices": ["the dog", "the cat"], "answer": 0})"
             "\n");
  EvalTasksJob job = job_of("scienceqa_choices");
  job.model = testing::demo_model();
  job.data = data.path();
  const Json results = eval_tasks(job, silent_progress());
  EXPECT_EQ(results["results"]["scienceqa_choices"]["sample_len"], 1);
  EXPECT_TRUE(results["chat_template_sha"].is_null());
}

TEST(LlavaTasksRefusals, AQuestionLongerThanTheContextIsNotCut) {
  const testing::TempFolder data;
  const std::string words(2000, '?');
  write_file(data.path() / "pope.jsonl",
             Json({{"image", "first.png"}, {"text", words}, {"label", "no"}}).dump() + "\n");
  EvalTasksJob job = job_of("pope");
  job.data = data.path();
  job.images = folder() / "data";
  EXPECT_THAT(refusal_of(job), HasSubstr("longer than the model's context of 256"));
}

class LlavaCheck : public ::testing::TestWithParam<const char*> {};

TEST_P(LlavaCheck, TransformersIsShownThePictureToo) {
  const fs::path python = fs::path(MOP_SOURCE_DIR) / ".env" / GetParam() / "bin/python";
  if (!fs::exists(python))
    GTEST_SKIP() << "skipped: no reference environment (./run setup --reference)";
  CheckJob job;
  job.model = folder() / "model";
  job.with = {"transformers"};
  job.python = python.string();
  job.new_tokens = 6;
  const Json result = check(job, silent_progress());
  EXPECT_EQ(result["picture_tokens"], 9);
  const Json& row = result["readers"][1];
  EXPECT_EQ(row["status"], "loads") << row;
  EXPECT_LE(row["logits_difference"].get<double>(), 1e-5);
  EXPECT_EQ(row["greedy_equal"], true);
  EXPECT_EQ(row["detail"], "the prompt has an image of 9 tokens");
}

INSTANTIATE_TEST_SUITE_P(Readers, LlavaCheck, ::testing::Values("reference", "reference4"));

TEST(LlavaReaders, WhoIsShownNoPictureIsNotRun) {
  CheckJob job;
  job.model = folder() / "model";
  job.with = {"vllm"};
  job.python = "false";
  job.new_tokens = 2;
  const Json row = check(job, silent_progress())["readers"][1];
  EXPECT_EQ(row["status"], "not run");
  EXPECT_EQ(row["detail"], "images are not supported with it");
}

TEST(LlavaBench, NamesWhatAPictureCosts) {
  BenchJob job;
  job.model = job.versus = folder() / "model";
  job.options.prompt_tokens = 4;
  job.options.new_tokens = 2;
  job.options.repeats = 2;
  job.options.probe_bytes = 1 << 20;
  const Json result = bench(job, silent_progress());
  EXPECT_EQ(result["prompt_tokens"], 4);
  EXPECT_EQ(result["picture_tokens"], 9);
  const Json& model = result["models"][1];
  EXPECT_GT(model["picture"]["encode_seconds"]["median"].get<double>(), 0);
  EXPECT_GT(model["picture"]["first_token_seconds"]["median"].get<double>(), 0);
  EXPECT_GT(result["ratios"][0]["picture_first_token"]["median"].get<double>(), 0);
  int64_t outside = 0;
  for (const auto& [name, parameters] : model["parts"].items())
    outside += parameters.get<int64_t>();
  EXPECT_GT(outside, 0);
  EXPECT_LT(outside, model["parameters"].get<int64_t>());
  job.model = testing::demo_model();
  EXPECT_FALSE(bench(job, silent_progress()).contains("picture_tokens"));
}

}  // namespace
}  // namespace mop
