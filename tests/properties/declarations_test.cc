// What rows of tables and sections of recipes declare of themselves is what they do.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "allocate/allocation.h"
#include "base/files.h"
#include "base/named_table.h"
#include "criteria/loss_scores.h"
#include "criteria/moment_scores.h"
#include "jobs/prune_repair.h"
#include "jobs/prune_weights.h"
#include "kit/configs.h"
#include "kit/random_model.h"
#include "plan/branch.h"
#include "plan/depth_rule.h"
#include "recipe/catalog.h"
#include "recipe/recipe.h"
#include "recipe/recipe_sections.h"
#include "recipe/recover_recipe.h"
#include "repair/repair.h"
#include "repair/sparse_weights.h"
#include "text/tokenizer.h"

namespace mop::testing {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

// Tables whose rows are methods, which have a source.
bool has_sources(const std::string& table) {
  static const std::set<std::string> without = {"families",       "formats", "reader-rules",
                                                "training-forms", "keys",    "recipe",
                                                "recovery",       "units"};
  return !without.contains(table);
}

template <typename Use>
void for_each_option(Use use) {
  for (const CatalogTable& table : catalog_tables()) {
    for (const Json& row : table.rows()) {
      for (const Json& option : row.value("options", Json::array())) use(table.name, row, option);
    }
  }
}

TEST(Declarations, EveryMethodNamesItsSource) {
  for (const CatalogTable& table : catalog_tables()) {
    if (!has_sources(table.name)) continue;
    for (const Json& row : table.rows()) {
      EXPECT_THAT(row.value("source", ""), Not(IsEmpty())) << table.name << ": " << row["name"];
    }
  }
}

TEST(Declarations, PapersAndDeviationsAreThere) {
  const std::string method = read_file(std::string(MOP_SOURCE_DIR) + "/docs/method.md");
  const std::regex paper("arXiv ([^ ;,:]*)"), number("[0-9]{4}\\.[0-9]{5}");
  std::set<std::string> cited;
  for (const CatalogTable& table : catalog_tables()) {
    for (const Json& row : table.rows()) {
      const std::string source = row.value("source", "");
      for (std::sregex_iterator it(source.begin(), source.end(), paper), end; it != end; ++it) {
        EXPECT_TRUE(std::regex_match((*it)[1].str(), number)) << source;
      }
      for (const Json& deviation : row.value("deviations", Json::array())) cited.insert(deviation);
    }
  }
  EXPECT_GT(cited.size(), 15u);
  for (const std::string& deviation : cited) {
    const std::string item = "* **" + deviation + "** ";
    const size_t first = method.find(item);
    EXPECT_NE(first, method.npos) << deviation << " does not stand in docs/method.md";
    EXPECT_EQ(method.find(item, first + 1), method.npos) << deviation << " stands there twice";
  }
}

TEST(Declarations, AnOptionSaysWhatItIsAndWhatHoldsWithoutIt) {
  std::set<std::string> tables;
  for_each_option([&](const std::string& table, const Json& row, const Json& option) {
    const std::string where =
        table + ": " + row["name"].get<std::string>() + "." + option["name"].get<std::string>();
    tables.insert(table);
    EXPECT_THAT(option["help"].get<std::string>(), Not(IsEmpty())) << where;
    EXPECT_EQ(option["default"].is_null(), option.contains("unset")) << where;
    int64_t same = 0;
    for (const Json& other : row["options"]) same += other["name"] == option["name"];
    EXPECT_EQ(same, 1) << where;
  });
  EXPECT_EQ(tables, (std::set<std::string>{"criteria", "branches", "depth-rules", "protocols",
                                           "allocations", "repairs", "weights", "methods", "recipe",
                                           "recovery"}));
}

TEST(Declarations, DefaultsAreInTheirOwnRange) {
  const auto check = [](std::span<const OptionSpec> specs) {
    for (const OptionSpec& spec : specs) {
      if (!spec.default_value) continue;
      if (std::holds_alternative<std::string>(*spec.default_value) && default_text(spec).empty()) {
        continue;  // a text that is not there
      }
      EXPECT_NO_THROW(option_value(to_json(*spec.default_value), spec, spec.name)) << spec.name;
    }
  };
  for (const Criterion& row : all_criteria()) check(row.options);
  for (const Branch& row : all_branches()) check(row.options);
  for (const DepthRule& row : all_depth_rules()) check(row.options);
  for (const Allocation& row : all_allocations()) check(row.options);
  for (const Repair& row : all_repairs()) check(row.options);
  for (const RecipeSection& section : prune_sections()) check(section.options);
  for (const RecipeSection& section : recover_sections()) check(section.options);
}

// Every declared default that `resolved` has is the value that stands there.
int64_t expect_defaults(std::span<const OptionSpec> specs, const Json& resolved,
                        const std::string& where) {
  int64_t compared = 0;
  for (const OptionSpec& spec : specs) {
    if (!spec.default_value || !resolved.contains(spec.name)) continue;
    EXPECT_EQ(resolved[spec.name], to_json(*spec.default_value)) << where << "." << spec.name;
    ++compared;
  }
  return compared;
}

TEST(Declarations, AnEmptySectionGivesTheDefaultsOfItsBranch) {
  for (const Branch& branch : all_branches()) {
    if (!branch.defaults) continue;
    const ModelConfig model = branch.of_tower ? llava_7b() : tinystories_12l();
    const Json resolved = branch.defaults(model, {{"budget", "exact"}});
    const Json full =
        branch.name == "depth" ? branch.defaults(model, {{"rule", "third-from-last"}}) : resolved;
    EXPECT_GT(expect_defaults(branch.options, full, branch.name), 0) << branch.name;
  }
  for (const DepthRule& rule : all_depth_rules()) {
    const Json resolved = find_branch("depth").defaults(tinystories_12l(), {{"rule", rule.name}});
    EXPECT_EQ(expect_defaults(rule.options, resolved, rule.name), 2);
  }
}

TEST(Declarations, AnEmptySectionGivesTheDefaultsOfItsRepair) {
  for (const Repair& row : all_repairs()) {
    const Json resolved = resolved_repair({{"method", row.name}});
    EXPECT_EQ(expect_defaults(row.options, resolved, row.name), std::ssize(row.options));
  }
}

TEST(Declarations, AnEmptySectionGivesTheDefaultsOfItsMethodOfWeights) {
  for (const SparseMethod& row : all_sparse_methods()) {
    const Json resolved = resolved_weights({{"method", row.name}}, 7);
    int64_t compared = expect_defaults(row.options, resolved, row.name);
    for (const OptionSpec& spec : row.options) {
      if (spec.default_value) continue;
      EXPECT_EQ(resolved[spec.name], 7) << "the run's seed";
      ++compared;
    }
    EXPECT_EQ(compared, std::ssize(row.options)) << row.name;
  }
  const Json empty = resolved_weights(Json::object(), 0);
  EXPECT_EQ(expect_defaults(options_of(prune_sections(), "weights"), empty, "weights"), 2);
}

TEST(Declarations, AnEmptyRecipeGivesTheDefaultsOfItsSections) {
  const Json pruning = to_json(recipe_from_json({{"target", {{"remove", 0.3}}}}));
  const Json training = to_json(recover_recipe({{"method", "lora"}}));
  const Json distilling = to_json(recover_recipe({{"method", "distil"}, {"teacher", "t"}}));
  int64_t compared = 0;
  for (const RecipeSection& section : prune_sections()) {
    if (section.name == "repair") continue;                                  // the default method's
    if (!section.name.empty() && !pruning.contains(section.name)) continue;  // not always there
    const Json& part = section.name.empty() ? pruning : pruning.at(section.name);
    compared += expect_defaults(section.options, part, section.name);
  }
  EXPECT_GE(compared, 7);
  compared = 0;
  for (const RecipeSection& section : recover_sections()) {
    const Json& recipe = section.name == "distil" ? distilling : training;
    const Json& part = section.name.empty() ? recipe : recipe.at(section.name);
    compared += expect_defaults(section.options, part, section.name);
  }
  EXPECT_GE(compared, 25);
}

// Another value that the declaration allows.
Json other_value(const OptionSpec& spec) {
  switch (spec.type) {
    case OptionType::kFlag:
      return !std::get<bool>(*spec.default_value);
    case OptionType::kNumber:
      return std::get<double>(*spec.default_value) / 2 + 0.25;
    case OptionType::kInteger:
      return 5;
    default:
      return {};
  }
}

class CriterionOptions : public ::testing::Test {
 protected:
  std::vector<at::Tensor> scores(const Criterion& row, const Json& section) {
    const Options options(row.name, section, row.options);
    const std::vector<std::string> names = {row.name};
    if (row.score_moments) {
      return score_moments(model_, Compute(), samples_, names, {{row.name, options}},
                           folder_.path(), silent_progress())
          .at(row.name);
    }
    WeightLoader weights(model_, Compute());
    const auto stats = collect_stats(weights, samples_, needed_stats(names), silent_progress());
    if (row.score_losses) {
      return score_losses(model_, Compute(), samples_, names, stats, {{row.name, options}},
                          silent_progress())
          .at(row.name);
    }
    return score_layers(weights, stats, names, options)[0];
  }

  static bool equal(const std::vector<at::Tensor>& a, const std::vector<at::Tensor>& b) {
    return std::ranges::equal(a, b, [](const auto& x, const auto& y) { return x.equal(y); });
  }

  const Model model_ = Model::open(demo_model());
  const TokenSamples samples_ =
      tokenize_samples(read_samples(demo_calibration()), *open_tokenizer(demo_model()),
                       {.samples = 4, .max_tokens = 32}, model_.config().context);
  TempFolder folder_;
};

TEST_F(CriterionOptions, AreReadAndDefaultToWhatTheyDeclare) {
  int64_t options = 0;
  for (const Criterion& row : all_criteria()) {
    if (row.options.empty()) continue;
    const auto plain = scores(row, Json::object());
    for (const OptionSpec& spec : row.options) {
      ++options;
      if (spec.default_value) {
        EXPECT_TRUE(equal(scores(row, {{spec.name, to_json(*spec.default_value)}}), plain))
            << row.name << "." << spec.name;
      }
      EXPECT_FALSE(equal(scores(row, {{spec.name, other_value(spec)}}), plain))
          << row.name << "." << spec.name << " is declared and changes nothing";
    }
  }
  EXPECT_GE(options, 9);
}

}  // namespace
}  // namespace mop::testing
