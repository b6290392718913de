// run/run_samples.h -- the texts of a run: calibration and validation samples.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "recipe/recipe.h"
#include "run/pictures.h"
#include "text/samples.h"
#include "text/tokenizer.h"

namespace mop {

struct RunSamples {
  TokenSamples calibration;       ///< for statistics; empty without a calibration file
  TokenSamples validation;        ///< for selectors and for metrics before and after; may be empty
  std::string validation_source;  ///< description for reports
  std::shared_ptr<Pictures> pictures = nullptr;  ///< of the samples; null = none
};

/// Reads and tokenises the recipe's texts for `model`. Without `validation`, the samples after the
/// calibration samples are used. Warns if a validation sample is also a calibration sample.
RunSamples load_samples(const Recipe& recipe, const Tokenizer& tokenizer, const Model& model,
                        Progress& progress);

/// Returns run/samples.json: per sample its number in the file, tokens, hash, and hashes of its
/// lines (text/overlap.h).
Json to_json(const RunSamples& samples);
/// Returns the hashes of lines of calibration and validation samples; empty for files of older
/// versions. Throws Error(kBadInput) for what `to_json` does not write.
std::vector<uint64_t> recorded_line_hashes(const Json& samples);

}  // namespace mop
