// model/weights.cc
#include "model/weights.h"

#include <ATen/ATen.h>

#include "base/error.h"
#include "tensor/gather.h"
#include "tensor/mapped_file.h"
#include "tensor/upload.h"

namespace mop {
namespace {

// What WeightLoader::Keep::kAuto is willing to copy.
constexpr int64_t kCopyLimitBytes = int64_t{1} << 30;

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

// Where a tensor of a layer comes from, and what to take of it. Refers to the model.
struct Source {
  const Model& model;
  const LayerTensor& tensor;
  std::string name;                     // in the checkpoint
  const at::Tensor* changed = nullptr;  // instead of the checkpoint's, already cut
  int64_t axis = -1;                    // -1: everything
  const IndexList* units = nullptr;     // kept along `axis`
  int64_t unit_rows = 1;                // rows or columns of a unit
  std::vector<int64_t> shape = {};      // before the cut

  at::Tensor stored() const { return changed ? *changed : model.checkpoint().tensor(name); }
  bool is_cut() const { return axis >= 0; }
  int64_t elements() const { return c10::multiply_integers(shape); }
  int64_t kept_elements() const {
    if (!is_cut()) return elements();
    return elements() / shape[static_cast<size_t>(axis)] * std::ssize(*units) * unit_rows;
  }
  // Numbers of the rows or columns that the kept units own.
  IndexList rows() const {
    if (unit_rows == 1) return *units;
    IndexList rows;
    rows.reserve(units->size() * static_cast<size_t>(unit_rows));
    for (const int32_t unit : *units) {
      for (int64_t e = 0; e < unit_rows; ++e)
        rows.push_back(static_cast<int32_t>(unit * unit_rows + e));
    }
    return rows;
  }
};

Source source_of(const Model& model, int64_t index, const LayerTensor& tensor) {
  const Layer& layer = model.layers()[static_cast<size_t>(index)];
  Source source{.model = model,
                .tensor = tensor,
                .name = tensor_name(*model.config().family, layer.source, tensor)};
  if (const auto changed = layer.changed.find(tensor.role); changed != layer.changed.end()) {
    source.changed = &changed->second;
    source.shape = changed->second.sizes().vec();
    return source;
  }
  const LayerShape& shape = model.source_config().layers[static_cast<size_t>(layer.source)];
  for (size_t axis = 0; axis < tensor.axes.size(); ++axis) {
    source.shape.push_back(axis_length(tensor.axes[axis], model.source_config(), shape));
    const IndexList* units = kept_units(tensor.axes[axis], layer, shape);
    if (units == nullptr) continue;
    if (source.is_cut()) throw internal_error("{} is cut along two axes", source.name);
    source.axis = static_cast<int64_t>(axis);
    source.units = units;
    source.unit_rows = tensor.axes[axis] == Axis::kMlp ? 1 : shape.head_dim;
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
         (ggml_blocks(stored->second.type) != nullptr || place->row->rows != HeadRows::kNone);
}

at::Tensor fetch(const Source& source, DType dtype, at::Tensor& buffer) {
  const at::Tensor stored = source.stored();
  if (source.is_cut()) {
    const at::Tensor kept = gather(stored, source.axis, source.rows(), dtype, buffer);
    if (!buffer.defined() || buffer.storage().nbytes() < kept.storage().nbytes()) buffer = kept;
    return kept;
  }
  if (stored.scalar_type() == dtype || stored.requires_grad()) {
    return stored.to(c10::kCPU, dtype);
  }
  if (!buffer.defined() || buffer.numel() < stored.numel()) {
    buffer = at::empty({stored.numel()}, at::TensorOptions().dtype(dtype));
  }
  return buffer.narrow(0, 0, stored.numel()).view(stored.sizes()).copy_(stored);
}

// A changed tensor that is on the device already or takes part in a gradient stays what it is.
bool goes_through_store(const at::Tensor& changed) {
  return changed.is_cpu() && !changed.requires_grad();
}

// A tensor is the same owner wherever it is mentioned.
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

StoredWeight stored_weight(const Source& source) {
  return source.changed != nullptr ? stored_weight(*source.changed)
                                   : stored_weight(source.model, source.name, source.elements());
}

// The kept units of a layer on the device, one upload for all axes: int32.
struct DeviceIndex {
  at::Tensor heads_H, kv_heads_K, neurons_I;

  DeviceIndex(const Layer& layer, c10::Device device) {
    IndexList all = layer.heads;
    all.insert(all.end(), layer.kv_heads.begin(), layer.kv_heads.end());
    all.insert(all.end(), layer.neurons.begin(), layer.neurons.end());
    const auto on_device = upload(at::tensor(all, at::kInt), device);
    const auto parts = on_device.split_with_sizes(
        {std::ssize(layer.heads), std::ssize(layer.kv_heads), std::ssize(layer.neurons)});
    heads_H = parts[0], kv_heads_K = parts[1], neurons_I = parts[2];
  }
  const at::Tensor& of(Axis axis) const {
    return axis == Axis::kQuery ? heads_H : axis == Axis::kKeyValue ? kv_heads_K : neurons_I;
  }
};

// Gathers on the device, into the buffer's memory when it is large enough.
at::Tensor cut_on_device(const at::Tensor& whole, const Source& source, const DeviceIndex& index,
                         at::Tensor& buffer) {
  // [rows, columns] or [rows]; the axis is split into units and what belongs to each.
  const auto axis = static_cast<size_t>(source.axis);
  const int64_t units = source.shape[axis] / source.unit_rows;
  std::vector<int64_t> split = source.shape;
  split[axis] = units;
  split.insert(split.begin() + source.axis + 1, source.unit_rows);
  std::vector<int64_t> kept_split = split, kept_shape = source.shape;
  kept_split[axis] = std::ssize(*source.units);
  kept_shape[axis] = kept_split[axis] * source.unit_rows;
  const int64_t elements = source.kept_elements();
  if (!buffer.defined() || buffer.numel() < elements) {
    buffer = at::Tensor();  // before the new one is made: the two are never alive together
    buffer = at::empty({elements}, whole.options());
  }
  at::Tensor kept = buffer.narrow(0, 0, elements).view(kept_split);
  at::index_select_out(kept, whole.view(split), source.axis, index.of(source.tensor.axes[axis]));
  return kept.view(kept_shape);
}

}  // namespace

at::Tensor stored_tensor(const Model& model, int64_t layer, const LayerTensor& tensor) {
  const Source source = source_of(model, layer, tensor);
  const at::Tensor stored = source.stored();
  if (!source.is_cut()) return stored;
  return gather(stored, source.axis, source.rows(), stored.scalar_type());
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

template <typename Visit>
void for_each_tensor(const Model& model, Visit visit) {
  for (int64_t i = 0; i < model.num_layers(); ++i) {
    const LayerShape& shape = model.config().layers[static_cast<size_t>(i)];
    for (const LayerTensor* tensor : tensors_of_layer(model.config(), shape)) visit(i, *tensor);
  }
}

// Bytes that giving out all layers at once would copy on the CPU.
int64_t bytes_to_copy(const Model& model, DType dtype) {
  int64_t elements = 0;
  for_each_tensor(model, [&](int64_t i, const LayerTensor& tensor) {
    const Source source = source_of(model, i, tensor);
    if (is_made_on_load(model, i, tensor) || source.is_cut() ||
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

// Keeps everything when the store has room: whole tensors there, gathered ones in the loader.
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
    const Source source = source_of(model_, i, tensor);
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
  const auto asked = on_their_way_.find(index);
  Uploads uploads = asked != on_their_way_.end() ? std::move(asked->second) : request(index);
  if (asked != on_their_way_.end()) on_their_way_.erase(asked);
  std::optional<DeviceIndex> kept;
  const ModelConfig& config = model_.config();
  for (const LayerTensor* tensor :
       tensors_of_layer(config, config.layers[static_cast<size_t>(index)])) {
    const auto role = static_cast<size_t>(tensor->role);
    const Source source = source_of(model_, index, *tensor);
    at::Tensor& value = slot.weights.tensors[role];
    if (uploads[role] == nullptr) {
      value = source.changed->to(compute_.device, compute_.dtype);
      continue;
    }
    value = compute_.store->wait(uploads[role]);
    uploads[role].reset();  // a tensor that is not resident goes once it is gathered
    if (!source.is_cut()) continue;
    if (!kept) kept.emplace(model_.layers()[static_cast<size_t>(index)], compute_.device);
    at::Tensor own;
    value = cut_on_device(value, source, *kept, keep_ == Keep::kAll ? own : slot.buffers[role]);
  }
}

// Starts the uploads of a layer. What is only gathered from, once, does not become resident.
WeightLoader::Uploads WeightLoader::request(int64_t index) {
  Uploads uploads;
  const ModelConfig& config = model_.config();
  for (const LayerTensor* tensor :
       tensors_of_layer(config, config.layers[static_cast<size_t>(index)])) {
    const Source source = source_of(model_, index, *tensor);
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
    // One layer is copied to the device while another waits, so that the copies never pause.
    const int64_t last = std::min(index + 1, model_.num_layers() - 1);
    std::erase_if(on_their_way_,
                  [&](const auto& asked) { return asked.first + 1 < index || asked.first > last; });
    for (int64_t i = index; i <= last; ++i) {
      if (!given_out(i) && !on_their_way_.contains(i)) on_their_way_[i] = request(i);
    }
    return;
  }
  if (given_out(index)) return;
  const ModelConfig& config = model_.config();
  for (const LayerTensor* tensor :
       tensors_of_layer(config, config.layers[static_cast<size_t>(index)])) {
    if (is_made_on_load(model_, index, *tensor)) continue;
    mop::prefetch(source_of(model_, index, *tensor).stored());
  }
}

at::Tensor WeightLoader::global(const GlobalTensor& tensor) {
  const bool rows_are_converted = tensor.role == GlobalRole::kEmbedding;
  if (compute_.device.is_cpu()) {
    const at::Tensor stored = stored_global(model_, tensor);
    return rows_are_converted ? stored : stored.to(compute_.dtype);
  }
  DeviceStore& store = *compute_.store;
  const auto changed = model_.changed_globals().find(tensor.role);
  if (changed == model_.changed_globals().end()) {
    int64_t elements = 1;
    for (const Axis axis : tensor.axes) elements *= axis_length(axis, model_.source_config(), {});
    return store.wait(store.request(stored_weight(model_, std::string(tensor.name), elements)));
  }
  if (!goes_through_store(changed->second)) {
    return changed->second.to(compute_.device, compute_.dtype);
  }
  return store.wait(store.request(stored_weight(changed->second)));
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
