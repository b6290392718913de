#include "report/model_card.h"

#include <gmock/gmock.h>

namespace mop {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

ModelCard small_card() {
  ModelCard card;
  card.base_model = "tiny";
  card.licence = "The base model's licence applies.";
  card.program = "mop 0.1.0";
  card.dense = {{"parameters", 1000}, {"block_parameters", 800}, {"shape", "4 layers"}};
  card.pruned = {{"parameters", 800}, {"block_parameters", 600}, {"shape", "3 layers"}};
  card.steps = Json::array({{{"step", 1},
                             {"branch", "depth"},
                             {"shape", "3 layers"},
                             {"parameters", 800},
                             {"removed_fraction", 0.2}}});
  return card;
}

TEST(ModelCardText, SaysWhatWasRemovedFromWhat) {
  const std::string text = model_card(small_card());
  EXPECT_THAT(text, StartsWith("---\nbase_model: tiny\nlibrary_name: transformers\n"));
  EXPECT_THAT(text, HasSubstr("# tiny, pruned by 20.00%"));
  EXPECT_THAT(text, HasSubstr("| of them in layers | 800 | 600 | 25.00% |"));
  EXPECT_THAT(text, HasSubstr("| 1 | depth | 3 layers | 800 | 20.00% |"));
  EXPECT_THAT(text, HasSubstr("--plan run/plan.json"));
  EXPECT_THAT(text, HasSubstr("## Licence\n\nThe base model's licence applies."));
}

TEST(ModelCardText, ItsFrontMatterIsWhatHubsRead) {
  EXPECT_THAT(card_front_matter("org/tiny@0123abc", {"mop"}),
              StartsWith("---\nbase_model: org/tiny\n"));
  const std::string odd = card_front_matter("a: b", {"mop"});
  EXPECT_EQ(parse_yaml(odd.substr(4, odd.rfind("---") - 4), "card")["base_model"], "a: b");
  EXPECT_EQ(parse_yaml(odd.substr(4, odd.rfind("---") - 4), "card")["tags"], Json({"mop"}));
}

TEST(ModelCardText, GivesFiguresWithTheirProtocolOrNone) {
  ModelCard card = small_card();
  EXPECT_THAT(model_card(card), Not(HasSubstr("perplexity")));
  card.figures = {{"protocol", "by the book"},
                  {"samples", 16},
                  {"tokens", 2000},
                  {"dense", {{"perplexity", 3.1373}}},
                  {"pruned", {{"perplexity", 11.4}, {"kl", 1.25}}}};
  EXPECT_THAT(model_card(card), HasSubstr("| perplexity | 3.137 | 11.400 |"));
  EXPECT_THAT(model_card(card), HasSubstr("Protocol: by the book (16 samples, 2,000 tokens)."));
}

TEST(ModelCardText, HoldsTheRecipeWhenItIsKnown) {
  ModelCard card = small_card();
  EXPECT_THAT(model_card(card), Not(HasSubstr("```yaml")));
  card.recipe = {{"select", "path:LG"}};
  EXPECT_THAT(model_card(card), HasSubstr("```yaml\nselect: path:LG\n```"));
}

// Figures and recipe come with a plan, which others wrote.
TEST(ModelCardText, OfValuesOfAnotherFormIsStillWritten) {
  ModelCard card = small_card();
  card.figures = {{"dense", 5}, {"recovered", {{"perplexity", "x"}}}};
  card.recipe = {{"weights", {{"pattern", 3}}}};
  EXPECT_THAT(model_card(card), HasSubstr("| perplexity | nan | nan | nan |"));
  card.figures = {5};
  card.recipe = {{"weights", "none"}};
  EXPECT_THAT(model_card(card), Not(HasSubstr("perplexity")));
}

}  // namespace
}  // namespace mop
