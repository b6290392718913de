// export/reader_rules.h -- shapes that other programs reject or run slowly: a table used before
// pruning and by `mop inspect`, `mop plan` and the model card.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"

namespace mop {

/// A rule of a reader. `check` returns what is wrong with a model of these sizes, empty = nothing;
/// `dense` is the model before pruning, or null.
struct ReaderRule {
  std::string_view reader;   ///< transformers, llama.cpp, vLLM
  std::string_view summary;  ///< the rule, for `mop list reader-rules`
  bool tried;                ///< false = taken from the reader's source, not tested by running it
  std::string (*check)(const ModelConfig& config, const ModelConfig* dense);
};

std::span<const ReaderRule> all_reader_rules();

/// Returns one line per rule that a model of these sizes violates, naming reader and rule.
/// Restrictions that already applied to the model before pruning (`dense`, null = unknown) are
/// omitted.
std::vector<std::string> reader_warnings(const ModelConfig& config,
                                         const ModelConfig* dense = nullptr);

}  // namespace mop
