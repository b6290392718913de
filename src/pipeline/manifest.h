// pipeline/manifest.h -- what a run's result depends on: enough to tell whether an interrupted run
// may be continued, and whether two results may be compared.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "model/model.h"
#include "pipeline/recipe.h"
#include "pipeline/run_samples.h"
#include "text/tokenizer.h"

namespace mop {

/// run/manifest.json: program, libraries, fingerprints of model, tokenizer and samples, where it
/// computes, and the recipe. No dates, hosts or paths of results: the same run gives the same
/// bytes. `tokenizer` may be null.
Json make_manifest(const Recipe& recipe, const Model& model, const Tokenizer* tokenizer,
                   const RunSamples& samples, const Compute& compute);

struct ManifestDifferences {
  std::vector<std::string>
      refused;  ///< another recipe, model, tokenizer, data or device: another result
  std::vector<std::string> noted;  ///< another program, library, thread count or memory of a
                                   ///< training: last bits may differ
};
/// Each as "recipe.select: was random, now kl". Paths of input files are compared by what they
/// hold.
ManifestDifferences compare_manifests(const Json& earlier, const Json& now);

}  // namespace mop
