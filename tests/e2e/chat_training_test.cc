// Conversations as training data: what the assistant says is learned, and nothing else.
#include <ATen/ATen.h>

#include "e2e/training.h"
#include "model/forward.h"
#include "text/tokenizer.h"

namespace mop::testing {
namespace {

using ::testing::HasSubstr;
using Ids = std::vector<int64_t>;

constexpr const char* kTemplate =
    "{{ bos_token }}{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}assistant:{% endif %}";

struct Conversation {
  const char *system, *user, *answer;
};
constexpr Conversation kConversations[] = {
    {"You tell stories.", "Who lived in the wood?", "A little fox lived in the wood."},
    {"You are kind.", "What did Tom see?", "Tom saw a big red ball. He was very happy."}};

fs::path chat_model(const TempFolder& folder) {
  const fs::path model = folder.path() / "model";
  fs::copy(demo_model(), model);
  write_file(model / "chat_template.jinja", kTemplate);
  return model;
}

fs::path conversations(const TempFolder& folder) {
  const fs::path file = folder.path() / "chat.jsonl";
  std::string text;
  for (const Conversation& c : kConversations) {
    text += Json{{"messages",
                  {{{"role", "system"}, {"content", c.system}},
                   {{"role", "user"}, {"content", c.user}},
                   {{"role", "assistant"}, {"content", c.answer}}}}}
                .dump() +
            "\n";
  }
  write_file(file, text);
  return file;
}

// {sum of the answer's negative log-likelihoods, its tokens}, by a plain forward pass over the
// whole conversation as this file spells it.
std::pair<double, int64_t> answer_nll(const fs::path& folder, const Conversation& c) {
  const auto tokenizer = open_tokenizer(folder);
  const std::string before = fmt::format("<s>system: {}\nuser: {}\nassistant:", c.system, c.user);
  const Ids prompt = tokenizer->encode(before, Special::kNone);
  const Ids ids = tokenizer->encode(before + " " + c.answer + "\n", Special::kNone);
  EXPECT_TRUE(std::equal(prompt.begin(), prompt.end(), ids.begin()));
  const Model model = Model::open(folder);
  WeightLoader weights(model, Compute{});
  const Packing packing{.lengths = {static_cast<int64_t>(ids.size())}};
  const at::Tensor hidden_ND = run_layers(weights, at::tensor(ids, at::kLong), packing);
  const at::Tensor log_p_NV =
      at::log_softmax(logits(weights.globals(), model.config(), hidden_ND), 1);
  double nll = 0;
  for (size_t i = prompt.size(); i < ids.size(); ++i) {
    nll -= log_p_NV[static_cast<int64_t>(i) - 1][ids[i]].item<double>();
  }
  return {nll, static_cast<int64_t>(ids.size() - prompt.size())};
}

TEST(ChatTraining, LearnsTheAssistantsWordsAlone) {
  TempFolder folder;
  const fs::path model = chat_model(folder), out = folder.path() / "out";
  for (const std::string rule : {"tokens", "samples"}) {
    const Ran ran = run({"recover", model.string(), "--data", conversations(folder).string(),
                         "--out", out.string(), "--force", "--epochs", "3", "--set", "accumulate=2",
                         "--set", "rule=" + rule, "--set", "validation.samples=0", "--set",
                         "lora.dropout=0", "--set", "learning_rate=3e-3"});
    ASSERT_EQ(ran.exit, 0) << ran.err;
    const std::vector<Json> steps = training_steps(out);
    ASSERT_EQ(steps.size(), 3u);
    const auto [a, tokens_a] = answer_nll(model, kConversations[0]);
    const auto [b, tokens_b] = answer_nll(model, kConversations[1]);
    ASSERT_NE(tokens_a, tokens_b);
    const double count_a = static_cast<double>(tokens_a), count_b = static_cast<double>(tokens_b);
    // B is zero at first: the first loss is the model's own.
    const double expected =
        rule == "tokens" ? (a + b) / (count_a + count_b) : (a / count_a + b / count_b) / 2;
    EXPECT_NEAR(steps[0]["loss"].get<double>(), expected, 1e-4) << rule;
    EXPECT_EQ(steps[0]["scored_tokens"], tokens_a + tokens_b);
    EXPECT_LT(steps[2]["loss"].get<double>(), expected);
  }
  EXPECT_EQ(read_file(out / "chat_template.jinja"), kTemplate);
}

TEST(ChatTraining, NeedsTheModelsTemplate) {
  TempFolder folder;
  const Ran ran = run({"recover", demo_model().string(), "--data", conversations(folder).string(),
                       "--out", (folder.path() / "out").string()});
  EXPECT_EQ(ran.exit, 1);
  EXPECT_THAT(ran.err, HasSubstr("is a conversation, but the model has no chat template"));
}

}  // namespace
}  // namespace mop::testing
