// jobs/initial_model.cc -- a model with random weights, the same on every machine.
#include <ATen/ATen.h>

#include <cmath>
#include <numbers>

#include "base/error.h"
#include "base/files.h"
#include "base/inside_links.h"
#include "base/random.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/tensor_names.h"
#include "jobs/recover.h"
#include "model/composite.h"
#include "model/config_keys.h"
#include "model/family.h"
#include "text/tokenizer.h"
#include "text/tokenizer_files.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

// Normally distributed numbers, in pairs (Box-Muller).
at::Tensor normal(const std::vector<int64_t>& shape, double deviation, Random& random) {
  const at::Tensor values = at::empty(shape, at::kFloat);
  float* out = values.data_ptr<float>();
  for (int64_t i = 0; i < values.numel(); i += 2) {
    const double radius = deviation * std::sqrt(-2 * std::log(1 - random.uniform()));
    const double angle = 2 * std::numbers::pi * random.uniform();
    out[i] = static_cast<float>(radius * std::cos(angle));
    if (i + 1 < values.numel()) out[i + 1] = static_cast<float>(radius * std::sin(angle));
  }
  return values;
}

struct Initial {
  TensorSpec spec;
  // Initial value of a vector: 1 for norms, 0 for biases.
  double fill() const {
    return spec.name.find("norm") != std::string::npos && !spec.name.ends_with(".bias") ? 1 : 0;
  }
};

std::vector<Initial> initial_tensors(const ModelConfig& config, DType dtype) {
  std::vector<Initial> tensors;
  const auto add = [&](std::string name, const std::vector<Axis>& axes, const LayerShape& shape) {
    tensors.push_back({{std::move(name), dtype, axis_lengths(axes, config, shape)}});
  };
  for (const GlobalTensor* tensor : global_tensors(config)) {
    add(std::string(tensor->name), tensor->axes, {});
  }
  for (int64_t layer = 0; layer < static_cast<int64_t>(config.layers.size()); ++layer) {
    const LayerShape& shape = config.layers[static_cast<size_t>(layer)];
    for (const LayerTensor* tensor : tensors_of_layer(config, shape)) {
      add(tensor_name(*config.family, layer, *tensor), tensor->axes, shape);
    }
  }
  if (!config.composite) return tensors;
  for (const OutsidePart& part : config.composite->parts) {
    for (const OutsideTensor& tensor : part.tensors)
      tensors.push_back({{tensor.name, dtype, tensor.shape}});
  }
  for (Initial& tensor : tensors) tensor.spec.name = stored_name(parts_layout(), tensor.spec.name);
  return tensors;
}

void copy_tokenizer(const fs::path& tokenizer, const fs::path& folder) {
  if (!fs::is_directory(tokenizer)) {
    fs::copy_file(tokenizer, folder / tokenizer.filename(), fs::copy_options::overwrite_existing);
    return;
  }
  for (const std::string& name : tokenizer_files_in(tokenizer)) {
    check_link_inside(tokenizer, tokenizer / name);
    fs::create_directories((folder / name).parent_path());
    fs::copy_file(tokenizer / name, folder / name, fs::copy_options::overwrite_existing);
  }
}

}  // namespace

void write_initial_model(const fs::path& config_path, const fs::path& tokenizer, uint64_t seed,
                         const fs::path& folder) {
  const fs::path file = fs::is_directory(config_path) ? config_path / "config.json" : config_path;
  const Json raw = read_json(file);
  const ModelConfig config = parse_config(raw, file.string());
  const DType dtype = dtype_of_weights(raw, file.string()).value_or(at::kFloat);
  const double deviation = get_or<double>(config.raw, "initializer_range", 0.02, file.string());
  const int64_t vocab = open_tokenizer(tokenizer)->vocab();
  if (vocab > config.vocab) {
    throw bad_input("the tokenizer has {} tokens, but the config has a vocabulary of {}", vocab,
                    config.vocab)
        .where("config", file.string())
        .where("tokenizer", tokenizer.string());
  }
  fs::create_directories(folder);
  write_file(folder / "config.json", to_text(raw));
  copy_tokenizer(tokenizer, folder);
  const std::vector<Initial> tensors = initial_tensors(config, dtype);
  std::vector<TensorSpec> specs;
  for (const Initial& tensor : tensors) specs.push_back(tensor.spec);
  SafetensorsWriter writer(folder / "model.safetensors", specs, {{"format", "pt"}});
  for (size_t i = 0; i < tensors.size(); ++i) {
    const TensorSpec& spec = tensors[i].spec;
    Random random(seed, i);
    const bool vector = spec.shape.size() == 1;
    const at::Tensor value = vector ? at::full(spec.shape, tensors[i].fill(), at::kFloat)
                                    : normal(spec.shape, deviation, random);
    writer.write(value.to(dtype));
  }
  writer.finish();
}

}  // namespace mop
