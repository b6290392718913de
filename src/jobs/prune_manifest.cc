// jobs/prune_manifest.cc
#include "jobs/prune_manifest.h"

#include <fmt/ranges.h>

#include "base/error.h"
#include "base/files.h"
#include "run/manifest.h"

namespace mop {

Json prune_manifest(const PreparedRun& run, const std::optional<PruneRecovery>& recovery,
                    int64_t ranks) {
  Json manifest =
      make_manifest(run.recipe, run.dense, run.tokenizer.get(), run.samples, run.compute);
  if (ranks > 1) manifest["compute"]["ranks"] = ranks;
  if (run.replay) manifest["plan"] = {{"sha256", sha256(to_text(to_json(*run.replay)))}};
  if (recovery) manifest["recovery"] = fingerprint(*recovery);
  return manifest;
}

void continue_or_record(const RunFolder& folder, const PreparedRun& run, const Json& manifest,
                        Progress& progress) {
  if (!folder.earlier().is_null()) {
    const ManifestDifferences differences = compare_manifests(folder.earlier(), manifest);
    if (!differences.refused.empty()) {
      throw usage_error("the earlier run has different settings:\n  {}",
                        fmt::join(differences.refused, "\n  "))
          .where("folder", folder.finished() ? folder.out().string() : folder.work().string())
          .hint("resume with the same settings, or start over with --force");
    }
    for (const std::string& line : differences.noted) {
      progress.warn("rounding may differ from an uninterrupted run: " + line);
    }
    return;
  }
  write_file(folder.run() / "recipe.yaml", to_yaml(to_json(run.recipe)));
  write_file(folder.run() / "samples.json", to_text(to_json(run.samples)));
  write_file(folder.run() / "manifest.json", to_text(manifest));
}

}  // namespace mop
