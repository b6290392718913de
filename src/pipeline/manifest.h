// pipeline/manifest.h -- what a run's result depends on: enough to tell whether an interrupted run
// may be continued, and whether two results may be compared.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "collectives/collectives.h"
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

/// The beginning of every job's manifest: program, libraries, model and tokenizer, which may be
/// null.
Json job_manifest(const Model& model, const Tokenizer* tokenizer);
/// Its entry `compute`.
Json compute_manifest(const std::string& device, DType dtype);
/// {samples, tokens, sha256}
Json fingerprint(const TokenSamples& samples);
/// Of a PEFT adapter's configuration and tensors; null when `folder` is empty.
Json adapter_fingerprint(const std::filesystem::path& folder);

/// Of every job that several ranks share, before any of them sends numbers to the others: each
/// calls it with its own manifest. Throws Error(kBadInput), the same one on every rank, where a
/// rank has another model, text or setting than rank 0: sums over different inputs mean nothing.
/// Numbers of devices and paths of files may differ; what changes last bits alone is warned of.
void check_same_inputs(const Json& manifest, Collectives& ranks, Progress& progress);

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
