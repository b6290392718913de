// model/weights.cc
#include "model/weights.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "tensor/gather.h"
#include "tensor/mapped_file.h"

namespace mop {
namespace {

// What WeightLoader::Keep::kAuto is willing to copy.
constexpr int64_t kCopyLimitBytes = int64_t{1} << 30;

// Head numbers -> numbers of the rows they own.
IndexList rows_of_heads(const IndexList& heads, int64_t head_dim) {
  IndexList rows;
  rows.reserve(heads.size() * static_cast<size_t>(head_dim));
  for (const int32_t head : heads) {
    for (int64_t e = 0; e < head_dim; ++e)
      rows.push_back(static_cast<int32_t>(head * head_dim + e));
  }
  return rows;
}

// The units that `axis` counts, when the layer keeps only some of them.
const IndexList* kept_units(Axis axis, const Layer& layer, const LayerShape& source) {
  const auto unless_all = [](const IndexList& list, int64_t count) {
    return static_cast<int64_t>(list.size()) == count ? nullptr : &list;
  };
  if (axis == Axis::kQuery) return unless_all(layer.heads, source.heads);
  if (axis == Axis::kKeyValue) return unless_all(layer.kv_heads, source.kv_heads);
  if (axis == Axis::kMlp) return unless_all(layer.neurons, source.mlp);
  return nullptr;
}

// A tensor as it lies in the checkpoint, and what to take from it.
struct Source {
  at::Tensor stored;
  int64_t axis = -1;  // -1: everything
  IndexList index;
};

Source source_of(const Model& model, int64_t index, const LayerTensor& tensor) {
  const Layer& layer = model.layers()[static_cast<size_t>(index)];
  if (const auto changed = layer.changed.find(tensor.role); changed != layer.changed.end()) {
    return {changed->second, -1, {}};
  }
  const std::string name = tensor_name(*model.config().family, layer.source, tensor);
  Source source{model.checkpoint().tensor(name), -1, {}};
  const LayerShape& shape = model.source_config().layers[static_cast<size_t>(layer.source)];
  for (size_t axis = 0; axis < tensor.axes.size(); ++axis) {
    const IndexList* units = kept_units(tensor.axes[axis], layer, shape);
    if (units == nullptr) continue;
    if (source.axis >= 0) throw internal_error("{} is cut along two axes", name);
    source.axis = static_cast<int64_t>(axis);
    source.index = tensor.axes[axis] == Axis::kMlp ? *units : rows_of_heads(*units, shape.head_dim);
  }
  return source;
}

// A GGUF file's tensor whose values are stored in another form: looking at it makes a copy.
bool is_made_on_load(const Model& model, int64_t index, const LayerTensor& tensor) {
  const Layer& layer = model.layers()[static_cast<size_t>(index)];
  const GgufFile* file = model.checkpoint().gguf();
  if (file == nullptr || layer.changed.contains(tensor.role)) return false;
  const auto place = place_of_hf(tensor_name(*model.config().family, layer.source, tensor));
  const auto stored = file->tensors().find(place ? place->gguf_name() : "");
  return stored != file->tensors().end() &&
         (stored->second.type == GgmlType::kQ8_0 || place->row->rows != HeadRows::kNone);
}

at::Tensor fetch(const Source& source, const Compute& compute, at::Tensor& buffer) {
  const at::Tensor& stored = source.stored;
  const bool on_cpu = compute.device.is_cpu();
  if (source.axis < 0 &&
      (!on_cpu || stored.scalar_type() == compute.dtype || stored.requires_grad())) {
    return stored.to(compute.device, compute.dtype);
  }
  if (source.axis < 0) {
    if (!buffer.defined() || buffer.numel() < stored.numel()) {
      buffer = at::empty({stored.numel()}, at::TensorOptions().dtype(compute.dtype));
    }
    return buffer.narrow(0, 0, stored.numel()).view(stored.sizes()).copy_(stored);
  }
  // The device converts: fewer bytes travel.
  const DType dtype = on_cpu ? compute.dtype : stored.scalar_type();
  const at::Tensor kept = gather(stored, source.axis, source.index, dtype, buffer);
  if (!on_cpu) return kept.to(compute.device, compute.dtype);
  if (!buffer.defined() || buffer.storage().nbytes() < kept.storage().nbytes()) buffer = kept;
  return kept;
}

}  // namespace

at::Tensor stored_tensor(const Model& model, int64_t layer, const LayerTensor& tensor) {
  const Source source = source_of(model, layer, tensor);
  if (source.axis < 0) return source.stored;
  return gather(source.stored, source.axis, source.index, source.stored.scalar_type());
}

at::Tensor stored_global(const Model& model, const GlobalTensor& tensor) {
  const auto changed = model.changed_globals().find(tensor.role);
  if (changed != model.changed_globals().end()) return changed->second;
  return model.checkpoint().tensor(std::string(tensor.name));
}

// Without keeping, the one slot's buffers serve every layer in turn.
struct WeightLoader::Slot {
  int64_t layer = -1;
  LayerWeights weights;
  std::array<at::Tensor, kNumRoles> buffers;
};

namespace {

// Bytes that giving out all layers at once would copy.
int64_t bytes_to_copy(const Model& model, const Compute& compute) {
  int64_t elements = 0;
  for (int64_t i = 0; i < model.num_layers(); ++i) {
    const LayerShape& shape = model.config().layers[static_cast<size_t>(i)];
    for (const LayerTensor* tensor : tensors_of_layer(model.config(), shape)) {
      const auto copied = [&] {
        const Source source = source_of(model, i, *tensor);
        return source.axis >= 0 || !compute.device.is_cpu() ||
               source.stored.scalar_type() != compute.dtype;
      };
      if (!is_made_on_load(model, i, *tensor) && !copied()) continue;
      int64_t size = 1;
      for (const Axis axis : tensor->axes) size *= axis_length(axis, model.config(), shape);
      elements += size;
    }
  }
  return elements * static_cast<int64_t>(dtype_bytes(compute.dtype));
}

}  // namespace

WeightLoader::WeightLoader(const Model& model, Compute compute, Keep keep)
    : model_(model), compute_(compute), keep_(keep) {
  if (keep_ == Keep::kAuto) {
    keep_ = bytes_to_copy(model_, compute_) <= kCopyLimitBytes ? Keep::kAll : Keep::kOne;
  }
  slots_.resize(keep_ == Keep::kAll ? static_cast<size_t>(model_.num_layers()) : 1);
}

WeightLoader::~WeightLoader() = default;

const LayerWeights& WeightLoader::layer(int64_t index) {
  if (index < 0 || index >= model_.num_layers()) {
    throw internal_error("layer {} of {}", index, model_.num_layers());
  }
  std::unique_ptr<Slot>& slot = slots_[keep_ == Keep::kAll ? static_cast<size_t>(index) : 0];
  if (slot == nullptr) slot = std::make_unique<Slot>();
  if (slot->layer == index) return slot->weights;
  slot->weights = {};
  const ModelConfig& config = model_.config();
  for (const LayerTensor* tensor :
       tensors_of_layer(config, config.layers[static_cast<size_t>(index)])) {
    const auto role = static_cast<size_t>(tensor->role);
    slot->weights.tensors[role] =
        fetch(source_of(model_, index, *tensor), compute_, slot->buffers[role]);
  }
  slot->layer = index;
  return slot->weights;
}

void WeightLoader::prefetch(int64_t index) {
  if (index < 0 || index >= model_.num_layers()) return;
  if (const auto& slot = slots_[keep_ == Keep::kAll ? static_cast<size_t>(index) : 0];
      slot != nullptr && slot->layer == index) {
    return;
  }
  const ModelConfig& config = model_.config();
  for (const LayerTensor* tensor :
       tensors_of_layer(config, config.layers[static_cast<size_t>(index)])) {
    if (is_made_on_load(model_, index, *tensor)) continue;
    mop::prefetch(source_of(model_, index, *tensor).stored);
  }
}

const GlobalWeights& WeightLoader::globals() {
  if (globals_.embedding_VD.defined()) return globals_;
  for (const GlobalTensor* tensor : global_tensors(model_.config())) {
    const at::Tensor stored = stored_global(model_, *tensor);
    const auto computed = [&] { return stored.to(compute_.device, compute_.dtype); };
    if (tensor->role == GlobalRole::kFinalNorm) globals_.final_norm_D = computed();
    if (tensor->role == GlobalRole::kHead) globals_.head_VD = computed();
    // Only the rows of the tokens at hand are converted (see `embed`).
    if (tensor->role == GlobalRole::kEmbedding) globals_.embedding_VD = stored;
  }
  if (!globals_.head_VD.defined()) {
    globals_.head_VD = globals_.embedding_VD.to(compute_.device, compute_.dtype);
  }
  return globals_;
}

}  // namespace mop
