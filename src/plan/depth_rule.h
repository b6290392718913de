// plan/depth_rule.h -- which layer a depth step takes: the table of rules.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/option.h"

namespace mop {

/// A rule that ranks layers takes the lowest of those it may take: not protected, and not among the
/// first and last ones that it keeps.
struct DepthRule {
  std::string name;  ///< as spelled in recipes
  std::string summary;
  std::string criterion = {};  ///< scores of layers: the lowest goes. Empty = none
  bool judged =
      false;  ///< every model without one layer is judged on held-out text, the best stays
  int64_t keep_first =
      0;  ///< layers of the current model that stay, unless the recipe says otherwise
  int64_t keep_last = 0;
  std::string source = {};               ///< paper
  std::vector<OptionSpec> options = {};  ///< of the section `depth`: filled in from `keep_*`
  std::vector<int> deviations = {};      ///< from the paper, by number: docs/method.md
};

/// `depth.keep_first` and `depth.keep_last`, whose defaults are the rule's.
Option<int64_t> keep_first_of(const DepthRule& rule);
Option<int64_t> keep_last_of(const DepthRule& rule);

/// In documentation order; the first is the default.
std::span<const DepthRule> all_depth_rules();
/// Throws Error(kUsage) listing the known names.
const DepthRule& find_depth_rule(std::string_view name);

}  // namespace mop
