// plan/depth_rule.h -- which layer a depth step removes: the table of rules.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/option.h"

namespace mop {

/// A rule with a ranking removes the lowest layer that is not protected and not among the first and
/// last ones to keep.
struct DepthRule {
  std::string name;  ///< name in recipes
  std::string summary;
  std::string criterion = {};  ///< layers are ranked by this criterion; empty = none
  bool judged =
      false;  ///< layers are ranked by the loss on held-out text of the model without the layer
  int64_t keep_first = 0;  ///< first layers of the current model to keep, unless set in the recipe
  int64_t keep_last = 0;
  std::string source = {};               ///< paper
  std::vector<OptionSpec> options = {};  ///< in the section `depth`; set from `keep_*`
  std::vector<int> deviations = {};      ///< from the paper, by number: docs/method.md
};

/// `depth.keep_first` and `depth.keep_last` with the rule's defaults.
Option<int64_t> keep_first_of(const DepthRule& rule);
Option<int64_t> keep_last_of(const DepthRule& rule);

/// All rules in documentation order; the first is the default.
std::span<const DepthRule> all_depth_rules();
/// Throws Error(kUsage) listing the known names.
const DepthRule& find_depth_rule(std::string_view name);

}  // namespace mop
