// plan/depth_rule.cc -- the table of depth rules.
#include "plan/depth_rule.h"

#include "base/named_table.h"

namespace mop {
namespace {

const OptionRange kLayers = between(0, 65536);

}  // namespace

Option<int64_t> keep_first_of(const DepthRule& rule) {
  return {.name = "keep_first",
          .default_value = rule.keep_first,
          .range = kLayers,
          .help = "first layers of the current model to keep"};
}

Option<int64_t> keep_last_of(const DepthRule& rule) {
  return {.name = "keep_last",
          .default_value = rule.keep_last,
          .range = kLayers,
          .help = "last layers of the current model to keep"};
}

namespace {

std::vector<DepthRule> rules() {
  std::vector<DepthRule> rows = {
      {.name = "third-from-last",
       .summary = "the third layer from the end; needs no data",
       .keep_last = 2,
       .source = "MoP, arXiv 2602.06127",
       .deviations = {7}},
      {.name = "block-influence",
       .summary = "the layer with the largest cosine between input and output",
       .criterion = "block-influence",
       .source = "ShortGPT, arXiv 2403.03853, equation 1",
       .deviations = {23}},
      {.name = "perplexity",
       .summary = "the layer whose removal gives the lowest perplexity on held-out text",
       .judged = true,
       .keep_first = 1,
       .keep_last = 1,
       .source = "SLEB, arXiv 2402.09025; Shortened LLaMA, arXiv 2402.02834",
       .deviations = {23}},
      {.name = "taylor",
       .summary = "the layer with the smallest sum of gate gradients",
       .criterion = "taylor-layers",
       .keep_first = 4,
       .keep_last = 2,
       .source = "Shortened LLaMA, arXiv 2402.02834, Taylor",
       .deviations = {22, 23}},
      {.name = "magnitude",
       .summary = "the layer with the smallest weights (control, needs no data)",
       .criterion = "magnitude-layers",
       .keep_first = 4,
       .keep_last = 2,
       .source = "Shortened LLaMA, arXiv 2402.02834, magnitude",
       .deviations = {23}},
      {.name = "random",
       .summary = "a random layer (control)",
       .criterion = "random-layers",
       .source = "a control"},
  };
  for (DepthRule& row : rows) row.options = {keep_first_of(row), keep_last_of(row)};
  return rows;
}

}  // namespace

std::span<const DepthRule> all_depth_rules() {
  static const std::vector<DepthRule> kRules = rules();
  return kRules;
}

const DepthRule& find_depth_rule(std::string_view name) {
  return find_by_name(all_depth_rules(), name, "depth rule");
}

}  // namespace mop
