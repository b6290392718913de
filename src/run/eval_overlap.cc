#include "run/eval_overlap.h"

#include "base/error.h"
#include "report/table.h"
#include "run/run_samples.h"
#include "text/chat_samples.h"
#include "text/overlap.h"

namespace mop {

KnownLines::KnownLines(const std::filesystem::path& model, const std::filesystem::path& calibration,
                       Progress& progress) {
  if (!calibration.empty()) {
    source_ = "the calibration file " + calibration.string();
    for (const std::string& text : read_samples(calibration, model)) {
      const std::vector<uint64_t> hashes = line_hashes(text);
      hashes_.insert(hashes_.end(), hashes.begin(), hashes.end());
    }
    return;
  }
  const std::filesystem::path recorded = model / "run" / "samples.json";
  if (!std::filesystem::exists(recorded)) return;
  try {
    hashes_ = recorded_line_hashes(read_json(recorded));
  } catch (const Error& e) {
    progress.warn(fmt::format(
        "whether the model was pruned with the evaluated text is unknown, since {} cannot be read: "
        "{}",
        recorded.string(), e.message()));
    return;
  }
  source_ = "the samples that the model was pruned with (run/samples.json)";
}

Json KnownLines::check(std::span<const std::string> texts, const std::string& what,
                       Progress& progress) const {
  if (source_.empty()) return nullptr;
  const Overlap found = overlap(texts, hashes_);
  if (found.shared > 0) {
    progress.warn(
        fmt::format("{} of {} lines of {} ({}) are in {}: the results are too "
                    "optimistic",
                    with_commas(found.shared), with_commas(found.lines), what,
                    percent(found.fraction()), source_));
  }
  return {{"source", source_},
          {"lines", found.lines},
          {"shared", found.shared},
          {"fraction", found.fraction()}};
}

}  // namespace mop
