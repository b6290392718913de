// model/weights.h -- the tensors of one layer, gathered when its turn comes.
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

/// An addition of low rank R to a projection from K to O: scale * drop(x) a^T b^T, in the compute
/// dtype. Source: LoRA (arXiv 2106.09685).
struct LowRank {
  at::Tensor a_RK, b_OR;
  double scale = 1;
  double dropout = 0;      ///< probability that an entry of x is left out; 0 but in training
  uint64_t seed = 0;       ///< decides which ones, with
  at::Tensor keys_N = {};  ///< a key for every row of x, int64; undefined without dropout
};

/// The tensors of one layer, [out, in], in the compute dtype; an absent one is undefined.
struct LayerWeights {
  std::array<at::Tensor, kNumRoles> tensors;
  std::map<Role, LowRank> low_rank = {};  ///< of the projections that have one
  const at::Tensor& operator[](Role role) const { return tensors[static_cast<size_t>(role)]; }
  at::Tensor& operator[](Role role) { return tensors[static_cast<size_t>(role)]; }
};

/// The tensors outside the layers. With a tied embedding `head` is the embedding.
struct GlobalWeights {
  at::Tensor embedding_VD, final_norm_D, head_VD;
  at::Tensor rows_PD = {};  ///< Model::input_rows, on the CPU
};

/// How to compute: where, in which type, and what is on the device already.
struct Compute {
  DType dtype = at::kFloat;
  c10::Device device = c10::kCPU;
  /// Shared by all that compute on the device, in `dtype`; null on the CPU. A WeightLoader that is
  /// given none for a device makes its own.
  std::shared_ptr<DeviceStore> store = nullptr;
};

/// One tensor of a layer as stored (mapped or changed), rows and columns gathered, stored dtype,
/// CPU. What the exporter writes.
at::Tensor stored_tensor(const Model& model, int64_t layer, const LayerTensor& tensor);
at::Tensor stored_global(const Model& model, const GlobalTensor& tensor);

/// Gives out the weights of a model's layers, one at a time or all resident.
class WeightLoader {
 public:
  enum class Keep {
    kOne,  ///< one layer in memory at a time, its buffers reused: calibration, perplexity of large
           ///< models. What the device's store holds stays there.
    kAll,  ///< every layer is gathered once and kept: generation, small models. On a device, kOne
           ///< when the store has no room for them.
    kAuto  ///< kAll when what must be copied is below 1 GiB; on a device, when there is room
  };
  WeightLoader(const Model& model, Compute compute, Keep keep = Keep::kAuto);
  ~WeightLoader();

  /// Valid until the next call when layers are not kept.
  const LayerWeights& layer(int64_t index);
  /// Whether a layer given out stays valid when others are asked for.
  bool keeps_all() const { return keep_ == Keep::kAll; }
  /// Asks the system to read what layer `index` needs from its file, or starts its upload to the
  /// device, without waiting; nothing when there is no such layer.
  void prefetch(int64_t index);
  /// Everything outside the layers. On the CPU the embedding has its stored dtype: `embed` converts
  /// the rows it takes.
  const GlobalWeights& globals();
  /// The same with nothing but what `embed` needs in it: the embedding and the rows behind it.
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
  std::shared_ptr<void> reserved_;           // of the store's budget, for gathered weights
  std::map<int64_t, Uploads> on_their_way_;  // layers asked for and not yet given out
  std::vector<std::unique_ptr<Slot>> slots_;
  GlobalWeights globals_, embedding_;
};

}  // namespace mop
