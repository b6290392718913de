// model/model.h -- a model as a cheap value: the mapped dense checkpoint, which units of each layer
// are kept, and the tensors whose values changed. Copying one copies index lists, never weights.
#pragma once
#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <vector>

#include "checkpoint/checkpoint.h"
#include "model/config.h"
#include "model/family.h"

namespace mop {

using IndexList = std::vector<int32_t>;
/// 0, 1, .. up to `count`.
IndexList all_indices(int64_t count);

/// One layer of a model: where it comes from and what is left of it. Indices count the *source*
/// layer's units and rise strictly.
struct Layer {
  int32_t source = 0;  ///< layer number in the checkpoint
  IndexList heads;     ///< kept query heads
  IndexList kv_heads;  ///< kept KV heads
  IndexList neurons;   ///< kept MLP neurons
  /// Tensors whose values differ from the checkpoint's, already in this layer's current shape.
  std::map<Role, at::Tensor> changed;

  /// Same source, same units, same changed tensors (by identity): computes the same function.
  bool same_as(const Layer& other) const;
};

class Model {
 public:
  /// The dense model of a folder. Checks that every tensor of the family's table is there with the
  /// right shape and that nothing is left over; throws Error(kBadInput) listing all differences.
  static Model open(const std::filesystem::path& folder);
  static Model from_checkpoint(std::shared_ptr<const Checkpoint> checkpoint);

  const Checkpoint& checkpoint() const { return *checkpoint_; }
  const std::shared_ptr<const Checkpoint>& shared_checkpoint() const { return checkpoint_; }
  /// The config of *this* model: `layers` follows the kept units.
  const ModelConfig& config() const { return config_; }
  /// The config of the checkpoint.
  const ModelConfig& source_config() const { return *source_config_; }
  const std::vector<Layer>& layers() const { return layers_; }
  int64_t num_layers() const { return static_cast<int64_t>(layers_.size()); }
  const std::map<GlobalRole, at::Tensor>& changed_globals() const { return changed_globals_; }
  /// The vision tower beside the language model, as a model of `tower_family()`: what is kept of
  /// its layers. Null where there is none that is computed.
  const Model* tower() const { return tower_.get(); }
  /// Kept channels of the residual stream, of the checkpoint's hidden size; rising.
  const IndexList& channels() const { return channels_; }

  /// What stands behind the vocabulary: row k is the input of id `vocab + k`, [P, D]. Undefined =
  /// none. Not a part of the model: a picture's patches, for as long as they are looked at.
  const at::Tensor& input_rows() const { return input_rows_PD_; }
  /// The same model with these rows, on the CPU; undefined = without any.
  Model with_input_rows(at::Tensor rows_PD) const;

  /// The same model with other layers; the config's shapes are derived from them.
  Model with_layers(std::vector<Layer> layers) const;
  /// The same model with a cut tower, whose layers are all there. The rows of pictures are another
  /// tower's and go.
  Model with_tower(Model tower) const;
  /// The same model with these channels of the residual stream alone: all tensors with a hidden
  /// axis are read without the others. With n' of n channels `norm_eps` becomes n / n' times the
  /// checkpoint's, and the checkpoint's norms of the residual stream are read sqrt(n / n') times as
  /// large: what these norms give is then what they gave of zeros in the other channels. Changed
  /// tensors must have that shape and scale already.
  Model with_channels(IndexList channels) const;
  /// The same model with a changed global tensor (embedding, final norm, head).
  Model with_global(GlobalRole role, at::Tensor value) const;
  /// The same model with a bias on every o_proj or down_proj, or both: what compensates for removed
  /// units. Layers whose checkpoint has none must hold them in `changed`.
  Model with_biases(bool output, bool down) const;

 private:
  // Everything of `config` is kept.
  static Model whole(std::shared_ptr<const Checkpoint> checkpoint, ModelConfig config);

  std::shared_ptr<const Checkpoint> checkpoint_;
  std::shared_ptr<const ModelConfig> source_config_;
  ModelConfig config_;
  std::vector<Layer> layers_;
  std::map<GlobalRole, at::Tensor> changed_globals_;
  IndexList channels_;
  at::Tensor input_rows_PD_;
  std::shared_ptr<const Model> tower_;
};

}  // namespace mop
