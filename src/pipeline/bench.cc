// pipeline/bench.cc
#include "pipeline/bench.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "base/error.h"
#include "base/machine.h"
#include "model/family.h"
#include "pipeline/device_needs.h"
#include "pipeline/open_model.h"
#include "pipeline/runtime.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

// Weights in another dtype than the file's are copied whole.
void check_memory(const Model& model, const Compute& compute) {
  const int64_t needed =
      language_parameters(model.config()) * static_cast<int64_t>(dtype_bytes(compute.dtype));
  const int64_t there = free_memory_bytes();
  const bool copied = needed > model.checkpoint().bytes() + model.checkpoint().bytes() / 8;
  if (!compute.device.is_cpu() || !copied || there == 0 || needed <= there) return;
  throw bad_input("the weights take {} bytes in {}, and {} are free", needed,
                  dtype_name(compute.dtype), there)
      .where("model", model.checkpoint().folder().string())
      .hint("give --dtype bfloat16");
}

void warn_of_load(const LatencyReport& report, Progress& progress) {
  if (report.foreign_load <= kMostForeignLoad) return;
  progress.warn(fmt::format(
      "others used {:.0f}% of the machine meanwhile: repeat this on a quiet one (ratios suffer "
      "less than times)",
      100 * report.foreign_load));
}

void describe(Json& json, const Model& model) {
  json["model"] = model.checkpoint().folder().string();
  json["parameters"] = total_parameters(model.config());
  json["block_parameters"] = block_parameters(model.config());
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
  std::vector<std::unique_ptr<WeightLoader>> loaders;
  DeviceNeeds on_device;
  for (const std::filesystem::path& folder : {job.model, job.versus}) {
    if (folder.empty()) continue;
    const Model model = open_dense(folder, progress);
    check_memory(model, compute);
    on_device =
        on_device.beside(decoding_device_needs(model.config(), compute.dtype, job.options.batch,
                                               job.options.prompt_tokens + job.options.new_tokens));
    loaders.push_back(std::make_unique<WeightLoader>(model, compute, WeightLoader::Keep::kAll));
  }
  // Both models stay there while they take turns.
  const std::string streams = check_device_memory(on_device, compute);
  if (!streams.empty()) progress.warn(streams + ", so that times are those of their transfer");
  LatencyOptions options = job.options;
  // What is measured must not be pushed out of memory by what it is compared with.
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
  json["quiet"] = report.foreign_load <= kMostForeignLoad;
  return json;
}

}  // namespace mop
