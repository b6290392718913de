// report/model_card.h -- README.md of a pruned checkpoint: origin, removed units and quality.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"

namespace mop {

struct ModelCard {
  std::string base_model;  ///< name
  std::string licence;     ///< one sentence about the base model's licence
  std::string program;     ///< "mop 0.1.0"
  Json dense, pruned;      ///< {parameters, block_parameters, shape}
  /// [{step, branch, shape, parameters, removed_fraction}]
  Json steps;
  /// {protocol, samples, tokens, dense: {perplexity}, pruned: {perplexity, kl, cosine}}, and
  /// `recovered` if it was trained; null if not measured.
  Json figures;
  Json recipe;    ///< null when unknown
  Json recovery;  ///< {steps, tokens} of the training; null = none
};

/// Returns the front matter of a card. Of "org/model@commit", hubs take "org/model".
std::string card_front_matter(const std::string& base_model, const std::vector<std::string>& tags);

/// Returns Markdown with the front matter of model hubs, without dates or hosts.
std::string model_card(const ModelCard& card);

}  // namespace mop
