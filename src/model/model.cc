// model/model.cc
#include "model/model.h"

#include <ATen/ops/equal.h>
#include <fmt/format.h>

#include <algorithm>
#include <cstring>
#include <numeric>
#include <set>

#include "base/error.h"
#include "checkpoint/gguf_keys.h"
#include "model/composite.h"
#include "model/generation_config.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

// Differences between a checkpoint and its config: (label, line) each.
using Differences = std::vector<std::pair<std::string, std::string>>;

std::string shape_text(at::IntArrayRef shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

bool is_weight_dtype(DType dtype) {
  return dtype == at::kFloat || dtype == at::kHalf || dtype == at::kBFloat16;
}

void check_tensor(const Checkpoint& checkpoint, const std::string& name,
                  const std::vector<int64_t>& expected, Differences& differences) {
  if (!checkpoint.has(name)) {
    differences.emplace_back("missing", name);
    return;
  }
  const TensorEntry& entry = checkpoint.entry(name);
  if (entry.shape != expected) {
    differences.emplace_back("shape", fmt::format("{} is {}, expected {}", name,
                                                  shape_text(entry.shape), shape_text(expected)));
  }
  if (!is_weight_dtype(entry.dtype)) {
    differences.emplace_back("dtype", fmt::format("{} is {}, expected F32, F16 or BF16", name,
                                                  safetensors_name(entry.dtype)));
  }
}

// Old files contain rotary frequencies, which the config determines; files with a tied head may
// contain a copy of the embedding.
bool may_be_ignored(const std::string& name, const ModelConfig& config) {
  if (name.ends_with(".rotary_emb.inv_freq")) return true;
  for (const GlobalTensor& tensor : config.family->global_tensors) {
    if (tensor.name == name) return !tensor.present(config);
  }
  return false;
}

Differences compare(const Checkpoint& checkpoint, const ModelConfig& config) {
  Differences differences;
  std::set<std::string> known;
  const auto check = [&](std::string name, const std::vector<Axis>& axes, const LayerShape& shape) {
    check_tensor(checkpoint, name, axis_lengths(axes, config, shape), differences);
    known.insert(std::move(name));
  };
  for (const GlobalTensor* tensor : global_tensors(config)) {
    check(std::string(tensor->name), tensor->axes, {});
  }
  if (config.composite) {
    for (const OutsidePart& part : config.composite->parts) {
      for (const OutsideTensor& tensor : part.tensors)
        check_tensor(checkpoint, tensor.name, tensor.shape, differences);
    }
  }
  for (size_t i = 0; i < config.layers.size(); ++i) {
    for (const LayerTensor* tensor : tensors_of_layer(config, config.layers[i])) {
      check(tensor_name(*config.family, static_cast<int64_t>(i), *tensor), tensor->axes,
            config.layers[i]);
    }
  }
  const Composite* composite = config.composite.get();
  for (const std::string& name : checkpoint.names()) {
    const bool passes = composite != nullptr && composite->has(name);
    if (!known.contains(name) && !passes && !may_be_ignored(name, config))
      differences.emplace_back("unknown", name);
  }
  return differences;
}

void check_tensors(const Checkpoint& checkpoint, const ModelConfig& config) {
  const Differences differences = compare(checkpoint, config);
  if (differences.empty()) return;
  std::map<std::string, int64_t> counts;
  for (const auto& [label, text] : differences) ++counts[label];
  std::string summary;
  for (const auto& [label, count] : counts) {
    summary += fmt::format("{}{} {}", summary.empty() ? "" : ", ", count, label);
  }
  Error error = bad_input("the tensors do not fit the config ({} model with {} layers): {}",
                          config.family->name, config.layers.size(), summary)
                    .where("model", checkpoint.folder().string());
  for (const auto& [label, text] : differences) error = std::move(error).where(label, text);
  for (const std::string& note : config.notes) error = std::move(error).where("note", note);
  throw error;
}

const GlobalTensor& global_of(const Family& family, GlobalRole role) {
  for (const GlobalTensor& tensor : family.global_tensors) {
    if (tensor.role == role) return tensor;
  }
  throw internal_error("the family {} lacks a global tensor", family.name);
}

bool same_piece(const at::Tensor& a, const at::Tensor& b) {
  if (a.scalar_type() == b.scalar_type()) {
    return std::memcmp(a.const_data_ptr(), b.const_data_ptr(), a.nbytes()) == 0;
  }
  // transformers compares after conversion to one dtype.
  return at::equal(a.to(at::kFloat), b.to(at::kFloat));
}

// Compares in pieces up to the first difference, since these tensors of large models take
// gigabytes.
bool same_values(const at::Tensor& a_VD, const at::Tensor& b_VD) {
  constexpr int64_t kPieceElements = 1 << 20;
  if (a_VD.sizes() != b_VD.sizes() || a_VD.dim() != 2) return false;
  const int64_t rows = std::max<int64_t>(1, kPieceElements / std::max<int64_t>(1, a_VD.size(1)));
  for (int64_t begin = 0; begin < a_VD.size(0); begin += rows) {
    const int64_t count = std::min(rows, a_VD.size(0) - begin);
    const at::Tensor a = a_VD.narrow(0, begin, count), b = b_VD.narrow(0, begin, count);
    const bool same = same_piece(a, b);
    release(a);
    release(b);
    if (!same) return false;
  }
  return true;
}

// If the config ties the head to the embedding but the file has a different head, the file's head
// is used, as in transformers 5; version 4 uses the embedding.
void keep_stored_head(const Checkpoint& checkpoint, ModelConfig& config) {
  if (!config.tied_embedding) return;
  const std::string head(global_of(*config.family, GlobalRole::kHead).name);
  const std::string embedding(global_of(*config.family, GlobalRole::kEmbedding).name);
  if (!checkpoint.has(head) || !checkpoint.has(embedding)) return;
  if (same_values(checkpoint.tensor(head), checkpoint.tensor(embedding))) return;
  config.tied_embedding = false;
  config.notes.push_back(fmt::format(
      "tie_word_embeddings is true, but the stored {} differs from {}: the stored head is used, as "
      "in transformers 5 (transformers 4 uses the embedding); written models have "
      "tie_word_embeddings: false",
      head, embedding));
}

// Returns the prefix of names that end like those of the family, such as "language_model.model.";
// empty if there is none.
std::string foreign_prefix(const Checkpoint& checkpoint, const Family& family) {
  const std::string own(global_of(family, GlobalRole::kEmbedding).name);
  if (checkpoint.has(own)) return "";
  const std::string bare = own.substr(own.find('.') + 1);
  for (const std::string& name : checkpoint.names()) {
    if (name.ends_with("." + bare)) return name.substr(0, name.size() - bare.size());
  }
  return "";
}

void check_names(const Checkpoint& checkpoint, const ModelConfig& config) {
  const std::string prefix = foreign_prefix(checkpoint, *config.family);
  if (prefix.empty()) return;
  std::set<std::string> others;
  for (const std::string& name : checkpoint.names()) {
    if (!name.starts_with(prefix)) others.insert(name.substr(0, name.find('.')) + ".*");
  }
  Error error =
      bad_input(
          "the tensors belong to a language model inside another model: their names begin "
          "with '{}', expected '{}'",
          prefix, config.family->layer_prefix.substr(0, config.family->layer_prefix.find('.') + 1))
          .where("model", checkpoint.folder().string())
          .where("found", prefix + "*");
  for (const std::string& other : others) error = std::move(error).where("found", other);
  throw std::move(error).hint(
      "save the language model alone (its own save_pretrained) and give that folder");
}

void note_unknown_keys(const Checkpoint& checkpoint, ModelConfig& config) {
  if (checkpoint.gguf() == nullptr) return;
  const std::string note = unknown_gguf_keys_note(*checkpoint.gguf());
  if (!note.empty()) config.notes.push_back(note);
}

void note_renamed(const Checkpoint& checkpoint, ModelConfig& config) {
  const std::string_view added = checkpoint.layout().added_prefix;
  if (added.empty()) return;
  config.notes.push_back(
      fmt::format("the tensor names lack the prefix '{0}' (a model saved without its head); it is "
                  "added "
                  "on reading and writing",
                  added));
}

}  // namespace

IndexList all_indices(int64_t count) {
  IndexList list(static_cast<size_t>(count));
  std::iota(list.begin(), list.end(), 0);
  return list;
}

bool Layer::same_as(const Layer& other) const {
  const auto same_value = [](const auto& a, const auto& b) {
    return a.first == b.first && a.second.is_same(b.second);
  };
  return source == other.source && heads == other.heads && kv_heads == other.kv_heads &&
         neurons == other.neurons &&
         std::equal(changed.begin(), changed.end(), other.changed.begin(), other.changed.end(),
                    same_value);
}

Model Model::open(const std::filesystem::path& folder) {
  return from_checkpoint(Checkpoint::open(folder));
}

Model Model::from_checkpoint(std::shared_ptr<const Checkpoint> checkpoint) {
  ModelConfig config =
      parse_config(checkpoint->config(), (checkpoint->folder() / "config.json").string());
  read_generation_config(checkpoint->folder(), config);
  keep_stored_head(*checkpoint, config);
  note_unknown_keys(*checkpoint, config);
  note_renamed(*checkpoint, config);
  check_names(*checkpoint, config);
  check_tensors(*checkpoint, config);
  Model model = whole(checkpoint, std::move(config));
  const Composite* composite = model.config_.composite.get();
  if (composite != nullptr && !composite->tower.layers.empty())
    model.tower_ = std::make_shared<const Model>(whole(std::move(checkpoint), composite->tower));
  return model;
}

Model Model::whole(std::shared_ptr<const Checkpoint> checkpoint, ModelConfig config) {
  Model model;
  model.config_ = std::move(config);
  model.checkpoint_ = std::move(checkpoint);
  model.source_config_ = std::make_shared<const ModelConfig>(model.config_);
  model.channels_ = all_indices(model.config_.hidden);
  for (size_t i = 0; i < model.config_.layers.size(); ++i) {
    const LayerShape& shape = model.config_.layers[i];
    model.layers_.push_back({static_cast<int32_t>(i),
                             all_indices(shape.heads),
                             all_indices(shape.kv_heads),
                             all_indices(shape.mlp),
                             {}});
  }
  return model;
}

Model Model::with_layers(std::vector<Layer> layers) const {
  Model model = *this;
  model.layers_ = std::move(layers);
  model.config_.layers.clear();
  model.config_.windowed.clear();
  for (const Layer& layer : model.layers_) {
    const auto source = static_cast<size_t>(layer.source);
    if (source >= source_config_->layers.size()) {
      throw internal_error("source layer {} of {}", layer.source, source_config_->layers.size());
    }
    LayerShape shape = source_config_->layers[source];
    shape.heads = static_cast<int64_t>(layer.heads.size());
    shape.kv_heads = static_cast<int64_t>(layer.kv_heads.size());
    shape.mlp = static_cast<int64_t>(layer.neurons.size());
    model.config_.layers.push_back(shape);
    if (!source_config_->windowed.empty()) {
      model.config_.windowed.push_back(source_config_->windowed[source]);
    }
  }
  return model;
}

Model Model::with_channels(IndexList channels) const {
  Model model = *this;
  const auto kept = std::ssize(channels);
  model.config_.hidden = kept;
  model.config_.norm_eps = source_config_->norm_eps;
  if (kept != source_config_->hidden) {
    model.config_.norm_eps *=
        static_cast<double>(source_config_->hidden) / static_cast<double>(kept);
  }
  model.channels_ = std::move(channels);
  return model;
}

Model Model::with_input_rows(at::Tensor rows_PD) const {
  if (rows_PD.defined() && (rows_PD.dim() != 2 || rows_PD.size(1) != config_.hidden)) {
    throw internal_error("input rows of shape [{}] for a model of hidden size {}",
                         fmt::join(rows_PD.sizes(), ", "), config_.hidden);
  }
  Model model = *this;
  model.input_rows_PD_ = std::move(rows_PD);
  return model;
}

Model Model::with_tower(Model tower) const {
  if (tower_ == nullptr || tower.num_layers() != tower_->num_layers())
    throw internal_error("a tower of {} layers does not fit the model", tower.num_layers());
  Model model = *this;
  model.config_.composite = config_.composite->with_tower(tower.config().layers);
  model.tower_ = std::make_shared<const Model>(std::move(tower));
  model.input_rows_PD_ = at::Tensor();
  return model;
}

Model Model::with_biases(bool output, bool down) const {
  Model model = *this;
  model.config_.output_bias |= output;
  model.config_.down_bias |= down;
  return model;
}

Model Model::with_global(GlobalRole role, at::Tensor value) const {
  Model model = *this;
  model.changed_globals_[role] = std::move(value);
  return model;
}

}  // namespace mop
