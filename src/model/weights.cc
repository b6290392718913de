// model/weights.cc
#include "model/weights.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "model/tensor_source.h"
#include "tensor/mapped_file.h"
#include "tensor/upload.h"

namespace mop {
namespace {

// Maximum bytes that WeightLoader::Keep::kAuto copies.
constexpr int64_t kCopyLimitBytes = int64_t{1} << 30;

// Whether reading the tensor makes a copy, as for GGUF block formats, whose values are converted.
bool is_converted_on_load(const Model& model, int64_t index, const LayerTensor& tensor) {
  const Layer& layer = model.layers()[static_cast<size_t>(index)];
  const GgufFile* file = model.checkpoint().gguf();
  if (file == nullptr || layer.changed.contains(tensor.role)) return false;
  const auto place = place_of_hf(tensor_name(*model.config().family, layer.source, tensor));
  const auto stored = file->tensors().find(place ? place->gguf_name() : "");
  return stored != file->tensors().end() &&
         (ggml_blocks(stored->second.type) != nullptr || place->row->rows != HeadRows::kNone);
}

at::Tensor fetch(const TensorSource& source, DType dtype, at::Tensor& buffer) {
  if (source.is_cut()) {
    const at::Tensor kept = kept_tensor(source, dtype, buffer);
    if (!buffer.defined() || buffer.storage().nbytes() < kept.storage().nbytes()) buffer = kept;
    return kept;
  }
  const at::Tensor stored = source.stored();
  if (stored.scalar_type() == dtype || stored.requires_grad()) {
    return stored.to(c10::kCPU, dtype);
  }
  if (!buffer.defined() || buffer.numel() < stored.numel()) {
    buffer = at::empty({stored.numel()}, at::TensorOptions().dtype(dtype));
  }
  return buffer.narrow(0, 0, stored.numel()).view(stored.sizes()).copy_(stored);
}

// A changed tensor that is already on the device or requires a gradient is used as it is.
bool goes_through_store(const at::Tensor& changed) {
  return changed.is_cpu() && !changed.requires_grad();
}

// The TensorImpl identifies a tensor, wherever it is referenced.
StoredWeight stored_weight(const at::Tensor& changed) {
  return {.owner = {std::make_shared<at::Tensor>(changed), changed.unsafeGetTensorImpl()},
          .name = {},
          .elements = changed.numel(),
          .open = [changed] { return changed; }};
}

StoredWeight stored_weight(const Model& model, const std::string& name, int64_t elements) {
  return {
      .owner = model.shared_checkpoint(),
      .name = name,
      .elements = elements,
      .open = [checkpoint = model.shared_checkpoint(), name] { return checkpoint->tensor(name); }};
}

StoredWeight stored_weight(const TensorSource& source) {
  return source.changed != nullptr ? stored_weight(*source.changed)
                                   : stored_weight(source.model, source.name, source.elements());
}

at::Tensor stored_value(const TensorSource& source) {
  const at::Tensor stored = source.stored();
  return source.is_cut() ? kept_tensor(source, stored.scalar_type()) : stored;
}

}  // namespace

at::Tensor stored_tensor(const Model& model, int64_t layer, const LayerTensor& tensor) {
  return stored_value(source_of(model, layer, tensor));
}

at::Tensor stored_global(const Model& model, const GlobalTensor& tensor) {
  return stored_value(source_of(model, tensor));
}

// If layers are not kept, one slot's buffers are reused for all layers.
struct WeightLoader::Slot {
  int64_t layer = -1;
  LayerWeights weights;
  std::array<at::Tensor, kNumRoles> buffers;
};

namespace {

template <typename Visit>
void for_each_tensor(const Model& model, Visit visit) {
  for (int64_t i = 0; i < model.num_layers(); ++i) {
    const LayerShape& shape = model.config().layers[static_cast<size_t>(i)];
    for (const LayerTensor* tensor : tensors_of_layer(model.config(), shape)) visit(i, *tensor);
  }
}

// Bytes copied on the CPU to provide all layers at once.
int64_t bytes_to_copy(const Model& model, DType dtype) {
  int64_t elements = 0;
  for_each_tensor(model, [&](int64_t i, const LayerTensor& tensor) {
    const TensorSource source = source_of(model, i, tensor);
    if (is_converted_on_load(model, i, tensor) || source.is_cut() ||
        source.stored().scalar_type() != dtype) {
      elements += source.kept_elements();
    }
  });
  return elements * static_cast<int64_t>(dtype_bytes(dtype));
}

}  // namespace

WeightLoader::WeightLoader(const Model& model, Compute compute, Keep keep)
    : model_(model), compute_(std::move(compute)), keep_(keep) {
  if (!compute_.device.is_cpu()) {
    choose_on_device();
  } else if (keep_ == Keep::kAuto) {
    keep_ = bytes_to_copy(model_, compute_.dtype) <= kCopyLimitBytes ? Keep::kAll : Keep::kOne;
  }
  slots_.resize(keep_ == Keep::kAll ? static_cast<size_t>(model_.num_layers()) : 1);
}

WeightLoader::~WeightLoader() = default;

// Keeps all layers if they fit the store: unmodified tensors in the store, gathered ones in the
// loader.
void WeightLoader::choose_on_device() {
  if (compute_.store == nullptr) {
    compute_.store = std::make_shared<DeviceStore>(compute_.device, compute_.dtype,
                                                   store_budget(compute_.device));
  }
  if (compute_.store->dtype() != compute_.dtype || compute_.store->device() != compute_.device) {
    throw internal_error("the store of a device holds weights of another dtype or device");
  }
  if (keep_ == Keep::kOne) return;
  DeviceStore& store = *compute_.store;
  int64_t whole = 0, gathered = 0;
  for_each_tensor(model_, [&](int64_t i, const LayerTensor& tensor) {
    const TensorSource source = source_of(model_, i, tensor);
    if (source.is_cut()) {
      gathered += source.kept_elements();
    } else if (!store.is_resident(stored_weight(source))) {
      whole += source.elements();
    }
  });
  const auto element = static_cast<int64_t>(dtype_bytes(compute_.dtype));
  keep_ = Keep::kOne;
  if ((whole + gathered) * element > store.free_bytes()) return;
  reserved_ = store.reserve(gathered * element);
  keep_ = Keep::kAll;
}

const LayerWeights& WeightLoader::layer(int64_t index) {
  if (index < 0 || index >= model_.num_layers()) {
    throw internal_error("layer {} of {}", index, model_.num_layers());
  }
  std::unique_ptr<Slot>& slot = slots_[keep_ == Keep::kAll ? static_cast<size_t>(index) : 0];
  if (slot == nullptr) slot = std::make_unique<Slot>();
  if (slot->layer == index) return slot->weights;
  slot->weights = {};
  slot->layer = -1;
  if (compute_.device.is_cpu()) {
    fetch_layer(index, *slot);
  } else {
    fetch_layer_on_device(index, *slot);
  }
  slot->layer = index;
  return slot->weights;
}

void WeightLoader::fetch_layer(int64_t index, Slot& slot) {
  const ModelConfig& config = model_.config();
  for (const LayerTensor* tensor :
       tensors_of_layer(config, config.layers[static_cast<size_t>(index)])) {
    const auto role = static_cast<size_t>(tensor->role);
    slot.weights.tensors[role] =
        fetch(source_of(model_, index, *tensor), compute_.dtype, slot.buffers[role]);
  }
}

void WeightLoader::fetch_layer_on_device(int64_t index, Slot& slot) {
  const auto asked = pending_uploads_.find(index);
  Uploads uploads = asked != pending_uploads_.end() ? std::move(asked->second) : request(index);
  if (asked != pending_uploads_.end()) pending_uploads_.erase(asked);
  std::optional<DeviceIndex> kept;
  const ModelConfig& config = model_.config();
  for (const LayerTensor* tensor :
       tensors_of_layer(config, config.layers[static_cast<size_t>(index)])) {
    const auto role = static_cast<size_t>(tensor->role);
    const TensorSource source = source_of(model_, index, *tensor);
    at::Tensor& value = slot.weights.tensors[role];
    if (uploads[role] == nullptr) {
      value = stored_value(source).to(compute_.device, compute_.dtype);
      continue;
    }
    value = compute_.store->wait(uploads[role]);
    uploads[role].reset();  // frees a non-resident tensor after gathering
    if (!source.is_cut()) continue;
    if (!kept) kept.emplace(model_, model_.layers()[static_cast<size_t>(index)], compute_.device);
    at::Tensor own;
    value = kept_on_device(value, source, *kept, keep_ == Keep::kAll ? own : slot.buffers[role]);
  }
}

// Starts the uploads of a layer. A tensor needed only once, for gathering, does not become
// resident.
WeightLoader::Uploads WeightLoader::request(int64_t index) {
  Uploads uploads;
  const ModelConfig& config = model_.config();
  for (const LayerTensor* tensor :
       tensors_of_layer(config, config.layers[static_cast<size_t>(index)])) {
    const TensorSource source = source_of(model_, index, *tensor);
    if (source.scale != 1) continue;  // a small vector, gathered on the CPU
    if (source.changed != nullptr && !goes_through_store(*source.changed)) continue;
    const bool keep = source.changed == nullptr && (!source.is_cut() || keep_ == Keep::kOne);
    uploads[static_cast<size_t>(tensor->role)] =
        compute_.store->request(stored_weight(source), keep);
  }
  return uploads;
}

void WeightLoader::prefetch(int64_t index) {
  if (index < 0 || index >= model_.num_layers()) return;
  const auto given_out = [&](int64_t layer) {
    const auto& slot = slots_[keep_ == Keep::kAll ? static_cast<size_t>(layer) : 0];
    return slot != nullptr && slot->layer == layer;
  };
  if (!compute_.device.is_cpu()) {
    // The next layer's upload runs while the current layer computes.
    const int64_t last = std::min(index + 1, model_.num_layers() - 1);
    std::erase_if(pending_uploads_,
                  [&](const auto& asked) { return asked.first + 1 < index || asked.first > last; });
    for (int64_t i = index; i <= last; ++i) {
      if (!given_out(i) && !pending_uploads_.contains(i)) pending_uploads_[i] = request(i);
    }
    return;
  }
  if (given_out(index)) return;
  const ModelConfig& config = model_.config();
  for (const LayerTensor* tensor :
       tensors_of_layer(config, config.layers[static_cast<size_t>(index)])) {
    if (is_converted_on_load(model_, index, *tensor)) continue;
    mop::prefetch(source_of(model_, index, *tensor).stored());
  }
}

at::Tensor WeightLoader::global(const GlobalTensor& tensor) {
  const bool rows_are_converted = tensor.role == GlobalRole::kEmbedding;
  const TensorSource source = source_of(model_, tensor);
  if (compute_.device.is_cpu()) {
    const at::Tensor stored = stored_value(source);
    return rows_are_converted ? stored : stored.to(compute_.dtype);
  }
  if (source.scale != 1 || (source.changed != nullptr && !goes_through_store(*source.changed)))
    return stored_value(source).to(compute_.device, compute_.dtype);
  DeviceStore& store = *compute_.store;
  const at::Tensor whole = store.wait(store.request(stored_weight(source)));
  if (!source.is_cut()) return whole;
  at::Tensor own;
  return kept_on_device(whole, source, DeviceIndex(model_, {}, compute_.device), own);
}

const GlobalWeights& WeightLoader::embedding() {
  if (globals_.embedding_VD.defined()) return globals_;
  embedding_.rows_PD = model_.input_rows();
  for (const GlobalTensor* tensor : global_tensors(model_.config())) {
    if (tensor->role == GlobalRole::kEmbedding && !embedding_.embedding_VD.defined()) {
      embedding_.embedding_VD = global(*tensor);
    }
  }
  return embedding_;
}

const GlobalWeights& WeightLoader::globals() {
  if (globals_.embedding_VD.defined()) return globals_;
  const at::Tensor embedding_VD = embedding().embedding_VD;
  for (const GlobalTensor* tensor : global_tensors(model_.config())) {
    if (tensor->role == GlobalRole::kFinalNorm) globals_.final_norm_D = global(*tensor);
    if (tensor->role == GlobalRole::kHead) globals_.head_VD = global(*tensor);
  }
  if (!globals_.head_VD.defined()) {
    globals_.head_VD = embedding_VD.to(compute_.device, compute_.dtype);
  }
  globals_.embedding_VD = embedding_VD;
  globals_.rows_PD = model_.input_rows();
  return globals_;
}

}  // namespace mop
