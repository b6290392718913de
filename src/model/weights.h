// model/weights.h -- loads the tensors of one layer when they are needed.
#pragma once
#include <ATen/core/Tensor.h>
#include <c10/core/Device.h>

#include <array>
#include <map>
#include <memory>
#include <vector>

#include "model/device_store.h"
#include "model/model.h"
#include "tensor/dtype.h"

namespace mop {

/// A low-rank addition (rank R) to a projection from K to O: scale * drop(x) a^T b^T, in the
/// compute dtype. Source: LoRA (arXiv 2106.09685).
struct LowRank {
  at::Tensor a_RK, b_OR;
  double scale = 1;
  double dropout = 0;      ///< probability that an entry of x is zeroed; 0 except in training
  uint64_t seed = 0;       ///< determines the dropped entries, together with
  at::Tensor keys_N = {};  ///< a key per row of x, int64; undefined without dropout
};

/// The tensors of one layer, [out, in], in the compute dtype; absent ones are undefined.
struct LayerWeights {
  std::array<at::Tensor, kNumRoles> tensors;
  std::map<Role, LowRank> low_rank = {};  ///< of projections that have one
  const at::Tensor& operator[](Role role) const { return tensors[static_cast<size_t>(role)]; }
  at::Tensor& operator[](Role role) { return tensors[static_cast<size_t>(role)]; }
};

/// The tensors outside the layers. With a tied embedding `head` is the embedding.
struct GlobalWeights {
  at::Tensor embedding_VD, final_norm_D, head_VD;
  at::Tensor rows_PD = {};  ///< Model::input_rows, on the CPU
};

/// Device and dtype of a computation, and the store of weights on the device.
struct Compute {
  DType dtype = at::kFloat;
  c10::Device device = c10::kCPU;
  /// Shared by all computations on the device in `dtype`; null on the CPU. A WeightLoader for a
  /// device creates its own if it is null.
  std::shared_ptr<DeviceStore> store = nullptr;
};

/// Returns one tensor of a layer (mapped or changed) with the kept rows and columns, in the stored
/// dtype, on the CPU. The exporter writes these.
at::Tensor stored_tensor(const Model& model, int64_t layer, const LayerTensor& tensor);
at::Tensor stored_global(const Model& model, const GlobalTensor& tensor);

/// Provides the weights of a model's layers, one layer at a time or all resident.
class WeightLoader {
 public:
  enum class Keep {
    kOne,  ///< one layer in memory at a time, buffers reused: calibration, perplexity of large
           ///< models. Resident tensors of the device's store stay there.
    kAll,  ///< every layer is gathered once and kept: generation, small models. On a device, falls
           ///< back to kOne if they do not fit the store.
    kAuto  ///< kAll if less than 1 GiB must be copied; on a device, if the layers fit the store
  };
  WeightLoader(const Model& model, Compute compute, Keep keep = Keep::kAuto);
  ~WeightLoader();

  /// Returns a layer's weights, valid until the next call unless layers are kept.
  const LayerWeights& layer(int64_t index);
  /// Whether layers stay valid when others are requested.
  bool keeps_all() const { return keep_ == Keep::kAll; }
  /// Starts reading the layer's part of the file, or its upload to the device, without waiting.
  /// Does nothing if there is no such layer.
  void prefetch(int64_t index);
  /// Returns the tensors outside the layers. On the CPU the embedding has its stored dtype; `embed`
  /// converts the rows it uses.
  const GlobalWeights& globals();
  /// The same with only what `embed` needs: the embedding and the input rows.
  const GlobalWeights& embedding();
  const Model& model() const { return model_; }
  const Compute& compute() const { return compute_; }

 private:
  struct Slot;
  using Uploads = std::array<DeviceStore::Handle, kNumRoles>;
  void choose_on_device();
  void fetch_layer(int64_t index, Slot& slot);
  void fetch_layer_on_device(int64_t index, Slot& slot);
  Uploads request(int64_t index);
  at::Tensor global(const GlobalTensor& tensor);

  Model model_;
  Compute compute_;
  Keep keep_;
  std::shared_ptr<void> reserved_;              // part of the store's budget for gathered weights
  std::map<int64_t, Uploads> pending_uploads_;  // requested layers not yet returned
  std::vector<std::unique_ptr<Slot>> slots_;
  GlobalWeights globals_, embedding_;
};

}  // namespace mop
