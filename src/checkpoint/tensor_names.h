// checkpoint/tensor_names.h -- by which names a checkpoint's files know the tensors that we know
// as those of a language model alone.
#pragma once
#include <set>
#include <span>
#include <string>
#include <string_view>

namespace mop {

/// A prefix in the files and what stands for it here.
struct NameRule {
  std::string_view stored, ours;
};

/// A way of saving: the first rule that fits a name decides, in both directions.
struct NameLayout {
  std::span<const NameRule> rules;
  /// What the names of a model that was saved without its head lack; results are written with it.
  std::string_view added_prefix = {};
};

/// The layout of files that hold `names`. `holds_parts`: the config is of a language model beside
/// others (it has a text_config), as LLaVA's, whose names differ by transformers' version.
const NameLayout& layout_of(const std::set<std::string>& names, bool holds_parts);

/// The layouts of such files: as they are saved, and as transformers holds them in memory since
/// 4.52.
const NameLayout& parts_layout();
const NameLayout& parts_inside_layout();

/// The name here of a tensor that files call `stored`.
std::string our_name(const NameLayout& layout, std::string_view stored);
/// The name in files of what we call `ours`: what `our_name` turns into it.
std::string stored_name(const NameLayout& layout, std::string_view ours);

}  // namespace mop
