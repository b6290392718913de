// recovery/training_state.cc
#include "recovery/training_state.h"

#include <ATen/ATen.h>
#include <ATen/core/grad_mode.h>

#include "base/error.h"
#include "base/json.h"
#include "base/parse_json.h"
#include "checkpoint/safetensors.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

constexpr const char* kState = "state.safetensors";
constexpr const char* kBest = "best.safetensors";

Json json_of(const std::optional<double>& value) { return value ? Json(*value) : Json(); }
std::optional<double> number_of(const Json& json) {
  return json.is_null() ? std::nullopt : std::optional(json.get<double>());
}

Json to_json(const TrainingCounters& c) {
  return {{"step", c.step},
          {"tokens", c.tokens},
          {"scored_tokens", c.scored_tokens},
          {"seconds", c.seconds},
          {"loss", c.loss},
          {"epoch", c.position.epoch},
          {"next", c.position.next},
          {"first_nll", json_of(c.first_nll)},
          {"best_nll", json_of(c.best_nll)},
          {"best_step", c.best_step},
          {"validations_since_best", c.validations_since_best},
          {"judged_step", c.judged_step}};
}

TrainingCounters from_text(const std::string& text) {
  // Null has no members, which gives the same error.
  const Json json = try_parse_json(text).value_or(Json());
  TrainingCounters c;
  c.step = json.at("step");
  c.tokens = json.at("tokens");
  c.scored_tokens = json.at("scored_tokens");
  c.seconds = json.at("seconds");
  c.loss = json.at("loss");
  c.position = {json.at("epoch"), json.at("next")};
  c.first_nll = number_of(json.at("first_nll"));
  c.best_nll = number_of(json.at("best_nll"));
  c.best_step = json.at("best_step");
  c.validations_since_best = json.at("validations_since_best");
  c.judged_step = json.at("judged_step");
  return c;
}

void copy_from(const SafetensorsFile& file, const std::string& name, at::Tensor& to_P) {
  const at::Tensor from_P = file.tensor(name);
  if (from_P.sizes() != to_P.sizes() || from_P.scalar_type() != at::kFloat) {
    throw bad_input("the saved state has {} trained parameters, this run has {}", from_P.numel(),
                    to_P.numel())
        .where("state", file.path().string());
  }
  to_P.copy_(from_P);
}

}  // namespace

void save_state(const fs::path& folder, const TrainingCounters& counters, Parameters& parameters,
                const AdamW& adamw) {
  write_safetensors(
      folder / kState,
      {{"values", parameters.values_P()}, {"mean", adamw.mean_P}, {"square", adamw.square_P}},
      {{"counters", to_json(counters).dump()}});
}

std::optional<TrainingCounters> load_state(const fs::path& folder, Parameters& parameters,
                                           AdamW& adamw) {
  if (!fs::exists(folder / kState)) return std::nullopt;
  const at::NoGradGuard no_grad;
  const SafetensorsFile file = SafetensorsFile::open(folder / kState);
  const auto counters = file.metadata().find("counters");
  if (counters == file.metadata().end()) {
    throw bad_input("the saved state has no counters").where("state", file.path().string());
  }
  copy_from(file, "values", parameters.values_P());
  copy_from(file, "mean", adamw.mean_P);
  copy_from(file, "square", adamw.square_P);
  parameters.refresh();
  try {
    const TrainingCounters read = from_text(counters->second);
    adamw.steps = read.step;
    return read;
  } catch (const Json::exception&) {
    throw bad_input("the saved state's counters cannot be read")
        .where("state", file.path().string())
        .hint("start again without --resume");
  }
}

std::optional<TrainingCounters> share_state(const std::optional<TrainingCounters>& counters,
                                            Parameters& parameters, AdamW& adamw,
                                            Collectives& ranks) {
  if (ranks.size() == 1) return counters;
  const std::string text = ranks.broadcast(counters ? to_json(*counters).dump() : "");
  if (text.empty()) return std::nullopt;
  ranks.broadcast({parameters.values_P(), adamw.mean_P, adamw.square_P});
  parameters.refresh();
  const TrainingCounters shared = from_text(text);
  adamw.steps = shared.step;
  return shared;
}

void save_best(const fs::path& folder, Parameters& parameters) {
  write_safetensors(folder / kBest, {{"values", parameters.values_P()}});
}

void load_best(const fs::path& folder, Parameters& parameters) {
  const at::NoGradGuard no_grad;
  copy_from(SafetensorsFile::open(folder / kBest), "values", parameters.values_P());
  parameters.refresh();
}

}  // namespace mop
