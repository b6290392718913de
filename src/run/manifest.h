// run/manifest.h -- the inputs that determine a run's result: used to decide whether an
// interrupted run can be continued and whether two results are comparable.
#pragma once
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "collectives/collectives.h"
#include "model/model.h"
#include "recipe/recipe.h"
#include "run/run_samples.h"
#include "text/tokenizer.h"

namespace mop {

/// Returns run/manifest.json: program, libraries, fingerprints of model, tokenizer and samples,
/// device and dtype, and the recipe. It has no dates, hosts or output paths, so equal runs give
/// equal bytes. `tokenizer` may be null.
Json make_manifest(const Recipe& recipe, const Model& model, const Tokenizer* tokenizer,
                   const RunSamples& samples, const Compute& compute);

/// The common part of all jobs' manifests: program, libraries, model and tokenizer (may be null).
Json job_manifest(const Model& model, const Tokenizer* tokenizer);
/// The entry `compute` of a manifest.
Json compute_manifest(const std::string& device, DType dtype);
/// {samples, tokens, sha256}
Json fingerprint(const TokenSamples& samples);
/// Fingerprint of a PEFT adapter's configuration and tensors; null if `folder` is empty.
Json adapter_fingerprint(const std::filesystem::path& folder);

/// Compares the manifests of all ranks of a job before they exchange numbers; every rank calls it
/// with its own manifest. Throws Error(kBadInput), the same on all ranks, if a rank's model, text
/// or settings differ from rank 0's. Device numbers and file paths may differ; differences that
/// affect only rounding give a warning.
void check_same_inputs(const Json& manifest, Collectives& ranks, Progress& progress);

struct ManifestDifferences {
  std::vector<std::string>
      refused;  ///< different recipe, model, tokenizer, data or device: another result
  std::vector<std::string> noted;  ///< different program, library, thread count or memory of a
                                   ///< training: rounding may differ
};
/// Entries have the form "recipe.select: was random, now kl". Input files are compared by content,
/// not by path.
ManifestDifferences compare_manifests(const Json& earlier, const Json& now);

}  // namespace mop
