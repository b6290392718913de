// export/reader_rules.h -- which shapes other programs reject or run slowly: one table, asked
// before anything is pruned and by `mop inspect`, `mop plan` and the model card.
#pragma once
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/config.h"

namespace mop {

/// A rule of a reader. `check` says what is wrong with a model of these sizes, empty = nothing;
/// `dense` is what it was pruned from, null when nothing was.
struct ReaderRule {
  std::string_view reader;   ///< transformers, llama.cpp, vLLM
  std::string_view summary;  ///< the rule, for `mop list reader-rules`
  bool tried;                ///< false: read in the reader's source, never run by us
  std::string (*check)(const ModelConfig& config, const ModelConfig* dense);
};

std::span<const ReaderRule> all_reader_rules();

/// One line for each rule that a model of these sizes breaks, naming reader and rule. What the
/// model it was pruned from (`dense`, null = unknown) was never able to is not told.
std::vector<std::string> reader_warnings(const ModelConfig& config,
                                         const ModelConfig* dense = nullptr);

}  // namespace mop
