// run/run_samples.cc
#include "run/run_samples.h"

#include <charconv>
#include <set>

#include "base/error.h"
#include "base/files.h"
#include "base/plain_text.h"
#include "base/read_values.h"
#include "text/chat_samples.h"

namespace mop {
namespace {

void warn_of_overlap(const RunSamples& samples, std::string_view why, Progress& progress) {
  const std::set<std::vector<int64_t>> seen(samples.calibration.ids.begin(),
                                            samples.calibration.ids.end());
  int64_t shared = 0;
  for (const auto& ids : samples.validation.ids) shared += seen.contains(ids) ? 1 : 0;
  if (shared == 0) return;
  progress.warn(
      fmt::format("{} of {} validation samples are also calibration samples: the results are "
                  "too optimistic{}",
                  shared, samples.validation.ids.size(), why));
}

// Hashes are stored as text, since some JSON readers do not preserve 64-bit integers.
std::vector<std::string> to_hex(const std::vector<uint64_t>& hashes) {
  std::vector<std::string> texts;
  for (const uint64_t hash : hashes) texts.push_back(fmt::format("{:016x}", hash));
  return texts;
}

uint64_t from_hex(const Json& json) {
  const std::string text = json.is_string() ? json.get<std::string>() : "";
  uint64_t hash = 0;
  const char* end = text.data() + text.size();
  const auto [last, error] = std::from_chars(text.data(), end, hash, 16);
  if (!text.empty() && last == end && error == std::errc()) return hash;
  throw bad_input("the hash of a line must be a hexadecimal text, got {}",
                  shortened(json.dump(), 80));
}

// The list `object[key]`; empty if the object or the key is not there.
const Json& list_in(const Json& object, const char* key) {
  static const Json kNone = Json::array();
  if (!object.is_object() && !object.is_null()) {
    throw bad_input("what holds '{}' must be an object, got {}", key, shortened(object.dump(), 80));
  }
  const Json& list = part_of(object, key);
  if (list.is_array() || list.is_null()) return list.is_null() ? kNone : list;
  throw bad_input("'{}' must be a list, got {}", key, shortened(list.dump(), 80));
}

Json to_json(const TokenSamples& samples) {
  Json list = Json::array();
  for (size_t s = 0; s < samples.ids.size(); ++s) {
    const auto& ids = samples.ids[s];
    const std::string_view bytes(reinterpret_cast<const char*>(ids.data()),
                                 ids.size() * sizeof ids[0]);
    Json sample = {{"tokens", ids.size()}, {"sha256", sha256(bytes)}};
    if (s < samples.origins.size()) {
      sample["index"] = samples.origins[s].index;
      sample["lines"] = to_hex(samples.origins[s].line_hashes);
    }
    list.push_back(std::move(sample));
  }
  return {{"samples", samples.ids.size()},
          {"tokens", samples.tokens()},
          {"sha256", samples.sha256},
          {"list", list}};
}

void place_pictures(const Recipe& recipe, const Model& model, RunSamples& samples) {
  Pictures pictures(model, recipe.images);
  const auto place = [&](const std::string& file, TokenSamples& list) {
    if (!file.empty() && !list.ids.empty()) pictures.place_in(list, file);
  };
  place(recipe.calibration, samples.calibration);
  place(recipe.validation.empty() ? recipe.calibration : recipe.validation, samples.validation);
  if (!pictures.empty()) samples.pictures = std::make_shared<Pictures>(std::move(pictures));
}

}  // namespace

RunSamples load_samples(const Recipe& recipe, const Tokenizer& tokenizer, const Model& model,
                        Progress& progress) {
  const int64_t context = model.config().context;
  const bool judges_elsewhere = !recipe.validation.empty();
  const auto read = [&](const std::string& file) { return read_samples(file, recipe.model); };
  RunSamples samples;
  std::string why;
  if (!recipe.calibration.empty() && judges_elsewhere) {
    samples.calibration =
        tokenize_samples(read(recipe.calibration), tokenizer, recipe.samples, context);
  } else if (!recipe.calibration.empty()) {
    SplitSamples split =
        tokenize_split(read(recipe.calibration), tokenizer, recipe.samples, context);
    samples.calibration = std::move(split.calibration);
    samples.validation = std::move(split.validation);
    samples.validation_source = "samples after the calibration samples, not used for statistics";
    if (split.shared > 0) {
      samples.validation_source =
          "the last samples of the calibration file, also used for statistics";
      why = ". The file is too short: give --validation FILE or fewer --samples";
    }
  }
  if (judges_elsewhere) {
    samples.validation =
        tokenize_samples(read(recipe.validation), tokenizer, recipe.samples, context);
    samples.validation_source = "the validation file";
  }
  place_pictures(recipe, model, samples);
  warn_of_overlap(samples, why, progress);
  return samples;
}

Json to_json(const RunSamples& samples) {
  return {{"calibration", to_json(samples.calibration)},
          {"validation", to_json(samples.validation)}};
}

std::vector<uint64_t> recorded_line_hashes(const Json& samples) {
  if (!samples.is_object()) throw bad_input("the file holds no record of samples");
  std::vector<uint64_t> hashes;
  for (const char* part : {"calibration", "validation"}) {
    for (const Json& sample : list_in(part_of(samples, part), "list")) {
      for (const Json& hash : list_in(sample, "lines")) hashes.push_back(from_hex(hash));
    }
  }
  return hashes;
}

}  // namespace mop
