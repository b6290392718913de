// checkpoint/tensor_names.cc
#include "checkpoint/tensor_names.h"

#include <algorithm>

namespace mop {
namespace {

constexpr NameRule kSame[] = {{"", ""}};
// transformers saves a model without its head (LlamaModel) so, and adds the prefix when a model
// with a head reads that.
constexpr NameRule kWithoutHead[] = {{"lm_head.", "lm_head."}, {"", "model."}};
// The towers of transformers 4 have one level more than those of 5.
constexpr NameRule kParts[] = {
    {"language_model.model.", "model."},
    {"language_model.lm_head.", "lm_head."},
    {"vision_tower.vision_model.", "vision_tower."},
    {"", ""},
};
// As transformers names them in memory since 4.52.
constexpr NameRule kPartsInside[] = {
    {"model.language_model.", "model."},
    {"lm_head.", "lm_head."},
    {"model.vision_tower.vision_model.", "vision_tower."},
    {"model.", ""},
};

constexpr NameLayout kPlainLayout{kSame}, kWithoutHeadLayout{kWithoutHead, "model."},
    kPartsLayout{kParts}, kPartsInsideLayout{kPartsInside};

bool any_begins(const std::set<std::string>& names, std::string_view prefix) {
  const auto found = names.lower_bound(std::string(prefix));
  return found != names.end() && found->starts_with(prefix);
}

}  // namespace

const NameLayout& layout_of(const std::set<std::string>& names, bool holds_parts) {
  if (holds_parts && any_begins(names, "model.language_model.")) return kPartsInsideLayout;
  if (holds_parts) return kPartsLayout;
  const bool bare = names.contains("embed_tokens.weight") && !any_begins(names, "model.");
  return bare ? kWithoutHeadLayout : kPlainLayout;
}

const NameLayout& parts_layout() { return kPartsLayout; }
const NameLayout& parts_inside_layout() { return kPartsInsideLayout; }

std::string our_name(const NameLayout& layout, std::string_view stored) {
  for (const auto& [prefix, ours] : layout.rules) {
    if (stored.starts_with(prefix))
      return std::string(ours) + std::string(stored.substr(prefix.size()));
  }
  return std::string(stored);
}

std::string stored_name(const NameLayout& layout, std::string_view ours) {
  if (!layout.added_prefix.empty()) return std::string(ours);
  for (const NameRule& rule : layout.rules) {
    if (ours.starts_with(rule.ours))
      return std::string(rule.stored) + std::string(ours.substr(rule.ours.size()));
  }
  return std::string(ours);
}

}  // namespace mop
