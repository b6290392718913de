// export/peft.cc -- shape letters: R rank, O rows and K columns of a projection.
#include "export/peft.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "model/weights.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

constexpr const char* kConfig = "adapter_config.json";
constexpr const char* kWeights = "adapter_model.safetensors";

Json read_config(const fs::path& folder) {
  if (!fs::exists(folder / kConfig)) {
    throw bad_input("this is not a PEFT adapter: it has no {}", kConfig)
        .where("folder", folder.string());
  }
  Json config = read_json(folder / kConfig);
  if (!config.is_object())
    throw bad_input("it is not a JSON object").where("file", (folder / kConfig).string());
  return config;
}

// Whether a setting asks for anything at all.
bool is_set(const Json& config, const char* key) {
  const auto it = config.find(key);
  if (it == config.end() || it->is_null() || *it == false || *it == "none") return false;
  return !((it->is_array() || it->is_object()) && it->empty());
}

void check_config(const Json& config, const std::string& where) {
  const std::string type = get_or<std::string>(config, "peft_type", "", where);
  if (type != "LORA")
    throw bad_input("adapters of type '{}' are not read, only LORA", type).where("file", where);
  for (const char* key :
       {"use_dora", "fan_in_fan_out", "bias", "lora_bias", "modules_to_save", "rank_pattern",
        "alpha_pattern", "layer_replication", "trainable_token_indices"}) {
    if (is_set(config, key)) {
      throw bad_input("unsupported: the adapter sets '{}' to {}", key, config[key].dump())
          .where("file", where)
          .hint("merge it with peft itself (merge_and_unload) and give the merged folder");
    }
  }
}

double scale_of(const Json& config, int64_t rank, const std::string& where) {
  const double alpha = require<double>(config, "lora_alpha", where);
  const bool root = get_or<bool>(config, "use_rslora", false, where);
  return alpha / (root ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank));
}

at::Tensor merged(const at::Tensor& weight_OK, const at::Tensor& a_RK, const at::Tensor& b_OR,
                  double scale, at::ScalarType dtype) {
  const at::Tensor delta_OK = at::mm(b_OR.to(at::kFloat), a_RK.to(at::kFloat));
  return weight_OK.to(at::kFloat).add(delta_OK, scale).to(dtype);
}

// Where an adapter's tensors go, and what of them fits nowhere.
class Merge {
 public:
  Merge(const Model& model, const fs::path& folder, std::optional<at::ScalarType> dtype)
      : model_(model),
        dtype_(dtype),
        where_((folder / kConfig).string()),
        config_(read_config(folder)),
        file_(SafetensorsFile::open(folder / kWeights)) {
    check_config(config_, where_);
    for (const auto& [name, entry] : file_.entries()) unused_.insert(name);
  }

  Model run(Progress& progress) {
    std::vector<Layer> layers = model_.layers();
    progress.begin("merging the adapter", model_.num_layers());
    for (int64_t i = 0; i < model_.num_layers(); ++i) {
      check_stop();
      merge_layer(i, layers[static_cast<size_t>(i)]);
      progress.advance(i + 1);
    }
    progress.end();
    check_all_used();
    return model_.with_layers(std::move(layers));
  }

 private:
  void merge_layer(int64_t index, Layer& layer) {
    const ModelConfig& config = model_.config();
    const LayerShape& shape = config.layers[static_cast<size_t>(index)];
    for (const LayerTensor* tensor : tensors_of_layer(config, shape)) {
      std::string module = tensor_name(*config.family, index, *tensor);
      if (!module.ends_with(".weight")) continue;
      module = "base_model.model." + module.substr(0, module.size() - 7);
      const std::string a = module + ".lora_A.weight", b = module + ".lora_B.weight";
      if (!unused_.contains(a) || !unused_.contains(b)) continue;
      const at::Tensor weight_OK = stored_tensor(model_, index, *tensor);
      const at::Tensor a_RK = file_.tensor(a), b_OR = file_.tensor(b);
      const bool fits = weight_OK.dim() == 2 && a_RK.dim() == 2 && b_OR.dim() == 2 &&
                        a_RK.size(0) == b_OR.size(1) && a_RK.size(0) > 0 &&
                        a_RK.size(1) == weight_OK.size(1) && b_OR.size(0) == weight_OK.size(0);
      if (!fits) continue;
      layer.changed[tensor->role] =
          merged(weight_OK, a_RK, b_OR, scale_of(config_, a_RK.size(0), where_),
                 dtype_.value_or(weight_OK.scalar_type()));
      unused_.erase(a);
      unused_.erase(b);
    }
  }

  void check_all_used() const {
    if (unused_.empty()) return;
    Error error = bad_input("{} of the adapter's {} tensors do not fit the model", unused_.size(),
                            file_.entries().size())
                      .where("adapter", where_)
                      .where("model", model_.checkpoint().folder().string());
    for (const std::string& name : unused_) {
      error = std::move(error).where(
          "tensor", fmt::format("{} [{}]", name, fmt::join(file_.tensor(name).sizes(), ", ")));
    }
    throw std::move(error).hint(
        "an adapter belongs to the checkpoint it was trained on: after pruning, to the pruned one");
  }

  const Model& model_;
  const std::optional<at::ScalarType> dtype_;
  const std::string where_;
  const Json config_;
  const SafetensorsFile file_;
  std::set<std::string> unused_;
};

}  // namespace

Model with_adapter(const Model& model, const fs::path& folder, std::optional<at::ScalarType> dtype,
                   Progress& progress) {
  return Merge(model, folder, dtype).run(progress);
}

std::string adapter_base(const fs::path& folder) {
  return get_or<std::string>(read_config(folder), "base_model_name_or_path", "",
                             (folder / kConfig).string());
}

}  // namespace mop
