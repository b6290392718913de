// The first steps of LoRA against peft and transformers' Trainer, remade by
// tools/golden/recovery.py.
#include <gtest/gtest.h>

#include "base/json.h"
#include "kit/random_model.h"
#include "recovery/methods.h"
#include "recovery/trainer.h"

namespace mop {
namespace {

namespace fs = std::filesystem;

fs::path golden_folder() { return fs::path(MOP_SOURCE_DIR) / "tests/golden/recovery"; }

// One run over the records, as the golden describes it.
std::vector<StepReport> run(const Json& golden, int64_t steps, int64_t piece_tokens) {
  const Model model = Model::open(testing::demo_model());
  const TrainingData data =
      TrainingData::open(golden_folder() / "records.json", open_tokenizer(testing::demo_model()));
  const TrainingSample first = data.sample(0);
  EXPECT_EQ(first.ids, golden["first_sample"]["input_ids"].get<std::vector<int64_t>>());
  EXPECT_EQ(first.labels, golden["first_sample"]["labels"].get<std::vector<int64_t>>());
  for (int64_t i = 0; i < data.size(); ++i) {
    EXPECT_EQ(static_cast<int64_t>(data.sample(i).ids.size()),
              golden["tokens_of_samples"][static_cast<size_t>(i)].get<int64_t>());
  }
  LoraOptions lora;
  lora.rank = golden["rank"];
  lora.alpha = golden["alpha"];
  Parameters parameters(lora_parameters(model, lora, golden["seed"].get<uint64_t>()), Compute{});
  PassOptions pass_options;
  pass_options.scale = lora.scale();
  TrainingPass pass(model, Compute{}, parameters, pass_options);
  TrainingBatches batches(data, {.samples = 1, .shuffle = false});
  TrainOptions options;
  options.learning_rate = golden["learning_rate"];
  options.rule = accumulation_from_name(golden["rule"].get<std::string>());
  options.accumulate = golden["accumulate"];
  options.epochs = golden["epochs"];
  options.piece_tokens = piece_tokens;
  Trainer trainer(pass, parameters, batches, nullptr, options, one_rank(), silent_progress());
  std::vector<StepReport> reports;
  struct Enough {};
  TrainerHooks hooks;
  hooks.on_step = [&](const StepReport& report) {
    reports.push_back(report);
    if (steps > 0 && report.step == steps) throw Enough();
  };
  try {
    const TrainOutcome outcome = trainer.run(hooks);
    EXPECT_EQ(outcome.steps, golden["total_steps"].get<int64_t>());
  } catch (const Enough&) {
  }
  return reports;
}

void expect_equal(const std::string& rule, int64_t steps, int64_t piece_tokens) {
  const Json golden = read_json(golden_folder() / (rule + ".json"));
  const std::vector<StepReport> ours = run(golden, steps, piece_tokens);
  const Json& theirs = golden["steps"];
  const auto compared = std::min(theirs.size(), ours.size());
  EXPECT_GE(compared, std::min<size_t>(20, static_cast<size_t>(steps > 0 ? steps : 20)));
  for (size_t i = 0; i < compared; ++i) {
    SCOPED_TRACE(i);
    const double loss = theirs[i]["loss"], norm = theirs[i]["gradient_norm"];
    EXPECT_NEAR(ours[i].loss, loss, 1e-4 * loss);
    EXPECT_NEAR(ours[i].gradient_norm, norm, 1e-4 * norm);
    // The Trainer's rate is read after its scheduler moved: the next step's.
    const double next = theirs[i]["learning_rate"];
    if (i + 1 < ours.size()) {
      EXPECT_NEAR(ours[i + 1].learning_rate, next, 1e-4 * next);
    }
  }
}

TEST(RecoveryGolden, MeansOfMicroBatchesEqualTransformers445) { expect_equal("samples", 0, 2048); }
TEST(RecoveryGolden, MeansOverTokensEqualTransformers5) { expect_equal("tokens", 0, 2048); }
TEST(RecoveryGolden, OneSampleAPieceIsTheSame) { expect_equal("tokens", 4, 1); }

}  // namespace
}  // namespace mop
