// jobs/bench.cc
#include "jobs/bench.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/machine.h"
#include "base/stopwatch.h"
#include "model/composite.h"
#include "model/family.h"
#include "run/device_needs.h"
#include "run/open_model.h"
#include "run/runtime.h"
#include "tensor/mapped_file.h"
#include "vision/drawn_picture.h"
#include "vision/image_encoder.h"

namespace mop {
namespace {

// Weights are copied if their dtype differs from the file's.
void check_memory(const Model& model, const Compute& compute) {
  const int64_t needed =
      language_parameters(model.config()) * static_cast<int64_t>(dtype_bytes(compute.dtype));
  const int64_t there = free_memory_bytes();
  const bool copied = needed > model.checkpoint().bytes() + model.checkpoint().bytes() / 8;
  if (!compute.device.is_cpu() || !copied || there == 0 || needed <= there) return;
  throw bad_input("the weights need {} bytes in {}, but {} are free", needed,
                  dtype_name(compute.dtype), there)
      .where("model", model.checkpoint().folder().string())
      .hint("give --dtype bfloat16");
}

void warn_of_load(const LatencyReport& report, Progress& progress) {
  if (report.foreign_load <= kMostForeignLoad) return;
  progress.warn(
      fmt::format("other processes used {:.0f}% of the machine: repeat the measurement on an idle "
                  "one (ratios are "
                  "less affected than times)",
                  100 * report.foreign_load));
}

void describe(Json& json, const Model& model) {
  json["model"] = model.checkpoint().folder().string();
  json["parameters"] = total_parameters(model.config());
  json["block_parameters"] = block_parameters(model.config());
  if (!model.config().composite) return;
  json["parts"] = Json::object();
  for (const OutsidePart& part : model.config().composite->parts)
    json["parts"][part.name] = part.parameters();
}

// Tokens per image, if equal for all models; 0 if a model has no image input.
int64_t picture_tokens(std::span<const Model> models) {
  std::optional<int64_t> tokens;
  for (const Model& model : models) {
    if (!ImageEncoder::can_encode_for(model)) return 0;
    const Composite& composite = *model.config().composite;
    const int64_t rows = rows_of_image(composite.vision, composite.projector);
    if (tokens && tokens != rows) return 0;
    tokens = rows;
  }
  return tokens.value_or(0);
}

// Seconds to encode one image, from its bytes to its rows. Weights are loaded as needed.
Spread picture_seconds(const Model& model, const LatencyOptions& options, const Compute& compute) {
  const ImageEncoder encoder(model);
  const int64_t side = model.config().composite->vision.image;
  const Picture picture = drawn_picture(2 * side, side + side / 2);
  std::vector<double> seconds;
  for (int64_t i = -options.warmups; i < options.repeats; ++i) {
    const Stopwatch watch;
    encoder.encode(std::span(&picture, 1), compute, silent_progress());
    if (i >= 0) seconds.push_back(watch.seconds());
  }
  return spread_of(std::move(seconds));
}

LatencyOptions with_picture(LatencyOptions options, int64_t tokens) {
  options.prompt_tokens += tokens;
  options.new_tokens = 1;
  return options;
}

// Measures the cost of an image: encoding, and the prompt with its additional tokens.
void add_picture(Json& json, int64_t tokens, std::span<WeightLoader* const> loaders,
                 const LatencyOptions& text, Progress& progress) {
  json["picture_tokens"] = tokens;
  const LatencyOptions options = with_picture(text, tokens);
  const LatencyReport report = measure_latency(loaders, options, progress);
  for (size_t m = 0; m < loaders.size(); ++m) {
    json["models"][m]["picture"] = {
        {"encode_seconds",
         to_json(picture_seconds(loaders[m]->model(), options, loaders[m]->compute()))},
        {"first_token_seconds", to_json(report.models[m].first_token_seconds)}};
  }
  for (size_t r = 0; r < report.ratios.size(); ++r)
    json["ratios"][r]["picture_first_token"] = to_json(report.ratios[r].first_token);
}

Json conditions(const LatencyOptions& options, const Compute& compute) {
  return {{"prompt_tokens", options.prompt_tokens},
          {"new_tokens", options.new_tokens},
          {"batch", options.batch},
          {"repeats", options.repeats},
          {"warmups", options.warmups},
          {"device", compute.device.str()},
          {"dtype", dtype_name(compute.dtype)},
          {"threads", threads_in_use()},
          {"machine", processor()}};
}

}  // namespace

Json bench(const BenchJob& job, Progress& progress) {
  const Compute compute = open_compute(job.compute.device, job.compute.dtype);
  std::vector<Model> opened;
  for (const std::filesystem::path& folder : {job.model, job.versus}) {
    if (!folder.empty()) opened.push_back(open_dense(folder, progress));
  }
  const int64_t of_picture = picture_tokens(opened);
  std::vector<std::unique_ptr<WeightLoader>> loaders;
  DeviceNeeds on_device;
  for (const Model& model : opened) {
    check_latency(job.options, model);
    if (of_picture > 0) check_latency(with_picture(job.options, of_picture), model);
    check_memory(model, compute);
    on_device = on_device.beside(decoding_device_needs(
        model.config(), compute.dtype, job.options.batch,
        job.options.prompt_tokens + std::max(of_picture + 1, job.options.new_tokens)));
    loaders.push_back(std::make_unique<WeightLoader>(model, compute, WeightLoader::Keep::kAll));
  }
  // Both models remain on the device while they are measured alternately.
  const std::string streams = check_device_memory(on_device, compute);
  if (!streams.empty()) progress.warn(streams + ", so times include their transfer");
  LatencyOptions options = job.options;
  // The probe must not evict the measured weights from memory.
  if (const int64_t there = free_memory_bytes(); there > 0) {
    options.probe_bytes = std::min(options.probe_bytes, there / 8);
  }
  std::vector<WeightLoader*> models;
  for (const auto& loader : loaders) models.push_back(loader.get());
  const LatencyReport report = measure_latency(models, options, progress);
  check_mappings();
  warn_of_load(report, progress);

  Json json = conditions(options, compute);
  json.update(to_json(report));
  for (size_t m = 0; m < models.size(); ++m) describe(json["models"][m], models[m]->model());
  if (of_picture > 0) add_picture(json, of_picture, models, options, progress);
  check_mappings();
  json["quiet"] = report.foreign_load <= kMostForeignLoad;
  return json;
}

}  // namespace mop
