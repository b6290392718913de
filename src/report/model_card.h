// report/model_card.h -- README.md of a pruned checkpoint: what it is, what was removed, how good
// it is.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace mop {

struct ModelCard {
  std::string base_model;  ///< its name
  std::string licence;     ///< one sentence about the base model's licence
  std::string program;     ///< "mop 0.1.0"
  Json dense, pruned;      ///< {parameters, block_parameters, shape}
  /// [{step, branch, shape, parameters, removed_fraction}]
  Json steps;
  /// {protocol, samples, tokens, dense: {perplexity}, pruned: {perplexity, kl, cosine}}; null when
  /// not measured. `recovered` beside them when it was trained.
  Json figures;
  Json recipe;    ///< null when unknown
  Json recovery;  ///< {steps, tokens} of the training afterwards; null = none
};

/// Markdown with the front matter that model hubs read. No dates or hosts.
std::string model_card(const ModelCard& card);

}  // namespace mop
