// plan/depth_rule.cc -- the table of depth rules.
#include "plan/depth_rule.h"

#include "base/named_table.h"

namespace mop {

std::span<const DepthRule> all_depth_rules() {
  static const DepthRule kRules[] = {
      {.name = "third-from-last",
       .summary = "the third layer from the end, without data and without a score",
       .keep_last = 2,
       .source = "MoP, arXiv 2602.06127"},
      {.name = "block-influence",
       .summary = "the layer whose output points most nearly where its input does",
       .criterion = "block-influence",
       .source = "ShortGPT, arXiv 2403.03853"},
      {.name = "perplexity",
       .summary = "the layer without which held-out text has the lowest perplexity",
       .judged = true,
       .keep_first = 1,
       .keep_last = 1,
       .source = "SLEB, arXiv 2402.09025"},
      {.name = "taylor",
       .summary = "the layer whose units' gates have the smallest gradients in all",
       .criterion = "taylor-layers",
       .keep_first = 4,
       .keep_last = 2,
       .source = "Shortened LLaMA, arXiv 2402.02834"},
      {.name = "magnitude",
       .summary = "the layer with the smallest weights (control, needs no data)",
       .criterion = "magnitude-layers",
       .keep_first = 4,
       .keep_last = 2,
       .source = "Shortened LLaMA, arXiv 2402.02834"},
      {.name = "random",
       .summary = "a layer drawn by the seed (control)",
       .criterion = "random-layers"},
  };
  return kRules;
}

const DepthRule& find_depth_rule(std::string_view name) {
  return find_by_name(all_depth_rules(), name, "depth rule");
}

}  // namespace mop
