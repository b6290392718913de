// export/peft.cc -- shape letters: R rank, O rows and K columns of a projection.
#include "export/peft.h"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/tensor_names.h"
#include "export/adapter_keys.h"
#include "model/weights.h"
#include "text/pattern.h"

namespace mop {
namespace fs = std::filesystem;
namespace {

constexpr const char* kConfig = "adapter_config.json";
constexpr const char* kWeights = "adapter_model.safetensors";
constexpr const char* kPrefix = "base_model.model.";  // prefix of all module names in kWeights

Json read_config(const fs::path& folder) {
  if (!fs::exists(folder / kConfig)) {
    throw bad_input("this is not a PEFT adapter: it has no {}", kConfig)
        .where("folder", folder.string());
  }
  Json config = read_json(folder / kConfig);
  if (!config.is_object())
    throw bad_input("the file is not a JSON object").where("file", (folder / kConfig).string());
  return config;
}

Json checked_config(const fs::path& folder) {
  Json config = read_config(folder);
  check_adapter_keys(config, (folder / kConfig).string());
  return config;
}

SafetensorsFile open_weights(const fs::path& folder) {
  if (fs::exists(folder / kWeights)) return SafetensorsFile::open(folder / kWeights);
  constexpr const char* kPickled = "adapter_model.bin";
  if (!fs::exists(folder / kPickled)) {
    throw bad_input("the adapter has no {}", kWeights).where("folder", folder.string());
  }
  throw bad_input(
      "the adapter's weights are only available as {}, a pickled file, which can run code "
      "and is not read",
      kPickled)
      .where("folder", folder.string())
      .hint(fmt::format(
          "convert it: python -c \"import torch; from safetensors.torch import save_file; "
          "save_file({{k: v.contiguous() for k, v in torch.load('{0}', "
          "weights_only=True).items()}}, "
          "'{1}')\" in that folder",
          kPickled, kWeights));
}

// The scale of a product: alpha divided by the rank or its square root, where alpha is that of the
// first entry of `alpha_pattern`, in file order, that matches the end of the module's name.
class Scales {
 public:
  Scales(const Json& config, const std::string& where)
      : alpha_(checked("lora_alpha", require<double>(config, "lora_alpha", where), where)),
        root_(get_or<bool>(config, "use_rslora", false, where)) {
    const Json patterns = config.value("alpha_pattern", Json());
    if (patterns.is_null()) return;
    if (!patterns.is_object())
      throw bad_input("'alpha_pattern' is not an object").where("file", where);
    for (const auto& [key, value] : patterns.items()) {
      if (!value.is_number())
        throw bad_input("'alpha_pattern' gives '{}' {}, which is not a number", key, value.dump())
            .where("file", where);
      // The pattern of PEFT's get_pattern_key.
      patterns_.emplace_back(compiled(fmt::format("^(.*\\.)?({})$", key), where),
                             checked("alpha_pattern", value.get<double>(), where));
    }
  }

  double of(const std::string& module, int64_t rank) const {
    const auto it = std::ranges::find_if(
        patterns_, [&](const auto& row) { return !row.first.find_all(module).empty(); });
    const double alpha = it == patterns_.end() ? alpha_ : it->second;
    return alpha / (root_ ? std::sqrt(static_cast<double>(rank)) : static_cast<double>(rank));
  }

 private:
  static double checked(const char* key, double alpha, const std::string& where) {
    if (std::abs(alpha) <= std::numeric_limits<float>::max()) return alpha;
    throw bad_input("'{}' gives {}, which is no number of float32", key, alpha)
        .where("file", where);
  }

  static Pattern compiled(const std::string& expression, const std::string& where) {
    try {
      return Pattern::regex(expression);
    } catch (Error& error) {
      throw std::move(error).where("file", where + ", alpha_pattern");
    }
  }

  double alpha_;
  bool root_;
  std::vector<std::pair<Pattern, double>> patterns_;
};

// The product that PEFT's initialisation put into the adapter and subtracted from the weight, of
// rank R. It is recomputed because the adapter's own tensors have been trained since.
at::Tensor initial_delta(const std::string& init, const at::Tensor& weight_OK, int64_t rank,
                         double scale) {
  if (init == "pissa") {  // arXiv 2404.02948: the largest singular values
    const auto [u_OS, s_S, v_SK] = at::linalg_svd(weight_OK, /*full_matrices=*/false);
    return at::mm(u_OS.narrow(1, 0, rank) * s_S.narrow(0, 0, rank), v_SK.narrow(0, 0, rank));
  }
  const auto [q_OS, r_SK] = at::linalg_qr(weight_OK);  // arXiv 2406.01775
  return at::mm(q_OS.narrow(1, 0, rank), r_SK.narrow(0, 0, rank)) * scale;
}

// The weight to which the adapter is added, float32, rounded to `dtype`, in which PEFT keeps it.
at::Tensor base_of(const at::Tensor& weight_OK, const std::string& init, int64_t rank, double scale,
                   at::ScalarType dtype) {
  if (!changes_base(init)) return weight_OK.to(at::kFloat);
  const at::Tensor loaded_OK = weight_OK.to(dtype).to(at::kFloat);
  if (rank > std::min(loaded_OK.size(0), loaded_OK.size(1))) return {};
  return (loaded_OK - initial_delta(init, loaded_OK, rank, scale)).to(dtype).to(at::kFloat);
}

at::Tensor merged(const at::Tensor& base_OK, const at::Tensor& a_RK, const at::Tensor& b_OR,
                  double scale, at::ScalarType dtype) {
  const at::Tensor delta_OK = at::mm(b_OR.to(at::kFloat), a_RK.to(at::kFloat));
  return base_OK.add(delta_OK, scale).to(dtype);
}

// Merges an adapter's tensors and collects those that do not fit.
class Merge {
 public:
  Merge(const Model& model, const fs::path& folder, std::optional<at::ScalarType> dtype)
      : model_(model),
        dtype_(dtype),
        where_((folder / kConfig).string()),
        config_(checked_config(folder)),
        scales_(config_, where_),
        init_(adapter_init(config_, where_)),
        file_(open_weights(folder)) {
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
      module.resize(module.size() - 7);
      const std::string in_adapter = name_in_adapter(module), held = kPrefix + in_adapter;
      const std::string a = held + ".lora_A.weight", b = held + ".lora_B.weight";
      if (!unused_.contains(a) || !unused_.contains(b)) continue;
      const at::Tensor weight_OK = stored_tensor(model_, index, *tensor);
      const at::Tensor a_RK = file_.tensor(a), b_OR = file_.tensor(b);
      const bool fits = weight_OK.dim() == 2 && a_RK.dim() == 2 && b_OR.dim() == 2 &&
                        a_RK.size(0) == b_OR.size(1) && a_RK.size(0) > 0 &&
                        a_RK.size(1) == weight_OK.size(1) && b_OR.size(0) == weight_OK.size(0);
      if (!fits) continue;
      const double scale = scales_.of(in_adapter, a_RK.size(0));
      const at::ScalarType dtype = dtype_.value_or(weight_OK.scalar_type());
      const at::Tensor base_OK = base_of(weight_OK, init_, a_RK.size(0), scale, dtype);
      if (!base_OK.defined()) continue;
      layer.changed[tensor->role] = merged(base_OK, a_RK, b_OR, scale, dtype);
      unused_.erase(a);
      unused_.erase(b);
    }
  }

  // In a composite model the names depend on the transformers version that PEFT ran on.
  std::string name_in_adapter(const std::string& module) const {
    if (model_.config().composite == nullptr) return module;
    for (const NameLayout* layout : {&parts_inside_layout(), &parts_layout()}) {
      std::string name = stored_name(*layout, module);
      if (unused_.contains(kPrefix + name + ".lora_A.weight")) return name;
    }
    return module;
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
        "an adapter fits only the checkpoint it was trained on, e.g. the pruned one");
  }

  const Model& model_;
  const std::optional<at::ScalarType> dtype_;
  const std::string where_;
  const Json config_;
  const Scales scales_;
  const std::string init_;
  const SafetensorsFile file_;
  std::set<std::string> unused_;
};

}  // namespace

Model with_adapter(const Model& model, const fs::path& folder, std::optional<at::ScalarType> dtype,
                   Progress& progress) {
  Merge merge(model, folder, dtype);
  const std::string note = unknown_adapter_keys(read_config(folder));
  if (!note.empty()) progress.note(note);
  return merge.run(progress);
}

std::string adapter_base(const fs::path& folder) {
  return get_or<std::string>(read_config(folder), "base_model_name_or_path", "",
                             (folder / kConfig).string());
}

}  // namespace mop
