// surgery/values.cc -- reads a plan's values from a checkpoint, and lists them for a plan.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "model/family.h"
#include "surgery/surgery.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

std::string digest(const at::Tensor& value) {
  const at::Tensor bytes = value.contiguous();
  std::string hex = sha256({static_cast<const char*>(bytes.const_data_ptr()), bytes.nbytes()});
  release(bytes);
  return hex;
}

// A tensor of a layer, and the layer's index among the remaining ones.
struct Named {
  size_t place;
  const LayerTensor* tensor;
};
// Looks up a tensor by its name in the source; nullopt if no remaining layer has it.
std::optional<Named> find_in_layers(const Family& family, std::string_view name,
                                    const std::vector<Layer>& layers) {
  for (const LayerTensor& tensor : family.layer_tensors) {
    if (!name.ends_with(tensor.suffix)) continue;
    for (size_t place = 0; place < layers.size(); ++place) {
      if (tensor_name(family, layers[place].source, tensor) == name) return Named{place, &tensor};
    }
  }
  return std::nullopt;
}

const GlobalTensor* find_global(const ModelConfig& config, std::string_view name) {
  for (const GlobalTensor* tensor : global_tensors(config)) {
    if (tensor->name == name) return tensor;
  }
  return nullptr;
}

at::Tensor checked(const Checkpoint& stored, const std::string& name, const std::string& expected) {
  if (!stored.has(name)) {
    throw bad_input("the plan's values are not complete: {} is missing", name)
        .where("checkpoint", stored.folder().string());
  }
  at::Tensor value = stored.tensor(name);
  if (digest(value) == expected) return value;
  throw bad_input("{} is not the tensor that the plan was made with", name)
      .where("checkpoint", stored.folder().string())
      .hint("the checkpoint was changed after its plan was written");
}

// Biases that the source lacks are added to all layers together.
Model with_new_biases(const Model& model, const std::vector<Named>& named) {
  const auto adds = [&](Role role) {
    return std::any_of(named.begin(), named.end(), [&](const Named& n) {
      return n.tensor->role == role && !n.tensor->present(model.config());
    });
  };
  return model.with_biases(adds(Role::kOutputBias), adds(Role::kDownBias));
}

}  // namespace

Model with_values(const Model& pruned, const PlanValues& values, const Checkpoint& stored) {
  const Family& family = *pruned.config().family;
  std::vector<Layer> layers = pruned.layers();
  std::vector<std::pair<GlobalRole, at::Tensor>> globals;
  std::vector<Named> named;
  for (const auto& [name, sha] : values.sha256) {
    if (const GlobalTensor* global = find_global(pruned.config(), name)) {
      globals.emplace_back(global->role, checked(stored, name, sha));
      continue;
    }
    const auto found = find_in_layers(family, name, layers);
    if (!found) throw bad_input("the plan has values for {}, which the model lacks", name);
    // `stored` numbers the remaining layers.
    const auto place = static_cast<int64_t>(found->place);
    layers[found->place].changed[found->tensor->role] =
        checked(stored, tensor_name(family, place, *found->tensor), sha);
    named.push_back(*found);
  }
  Model model = with_new_biases(pruned.with_layers(std::move(layers)), named);
  for (auto& [role, value] : globals) model = model.with_global(role, std::move(value));
  verify(model, values.parameters);
  return model;
}

PlanValues values_of(const Model& model, const IndexList& sources, const PlanValues& earlier,
                     const Checkpoint& stored, const std::string& relative) {
  const ModelConfig& config = model.config();
  PlanValues values{relative, earlier.sha256, total_parameters(config)};
  for (size_t i = 0; i < model.layers().size(); ++i) {
    for (const LayerTensor* tensor : tensors_of_layer(config, config.layers[i])) {
      if (!model.layers()[i].changed.contains(tensor->role)) continue;
      const std::string here = tensor_name(*config.family, static_cast<int64_t>(i), *tensor);
      values.sha256[tensor_name(*config.family, sources[i], *tensor)] = digest(stored.tensor(here));
    }
  }
  for (const GlobalTensor* tensor : global_tensors(config)) {
    const std::string name(tensor->name);
    if (model.changed_globals().contains(tensor->role))
      values.sha256[name] = digest(stored.tensor(name));
  }
  return values.empty() ? PlanValues() : values;
}

}  // namespace mop
