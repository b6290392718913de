// pipeline/run_samples.h -- the texts of a run: one recorded list of samples to measure on, another
// to judge on.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/progress.h"
#include "pipeline/pictures.h"
#include "pipeline/recipe.h"
#include "text/samples.h"
#include "text/tokenizer.h"

namespace mop {

struct RunSamples {
  TokenSamples calibration;  ///< statistics come from these alone; empty without a calibration file
  TokenSamples validation;   ///< selectors and the figures before and after; may be empty
  std::string validation_source;                 ///< in words, for reports
  std::shared_ptr<Pictures> pictures = nullptr;  ///< theirs; null = there are none
};

/// Reads and tokenises what the recipe names for `model`. Without `validation` the samples behind
/// the calibration ones are for validation. Warns when a validation sample is also a calibration
/// sample.
RunSamples load_samples(const Recipe& recipe, const Tokenizer& tokenizer, const Model& model,
                        Progress& progress);

/// What was used: of every sample its number in the file, tokens, hash, and hashes of its lines
/// (text/overlap.h). run/samples.json.
Json to_json(const RunSamples& samples);
/// Those hashes of lines, of calibration and validation samples; none in files of older versions.
std::vector<uint64_t> recorded_line_hashes(const Json& samples);

}  // namespace mop
