// model/model.h -- a model as a cheap value: the mapped dense checkpoint, the kept units of each
// layer, and the tensors whose values changed. Copying a Model copies index lists, not weights.
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
/// Returns 0, 1, .., count - 1.
IndexList all_indices(int64_t count);

/// One layer of a model: its source layer and the kept units. Indices refer to units of the source
/// layer and are strictly increasing.
struct Layer {
  int32_t source = 0;  ///< layer number in the checkpoint
  IndexList heads;     ///< kept query heads
  IndexList kv_heads;  ///< kept KV heads
  IndexList neurons;   ///< kept MLP neurons
  /// Tensors whose values differ from the checkpoint's, in this layer's current shape.
  std::map<Role, at::Tensor> changed;

  /// Whether both have the same source, units and changed tensors (by identity), and so compute the
  /// same function.
  bool same_as(const Layer& other) const;
};

class Model {
 public:
  /// Opens the dense model of a folder. Checks that exactly the tensors of the family's table are
  /// present with the right shapes; throws Error(kBadInput) listing all differences.
  static Model open(const std::filesystem::path& folder);
  static Model from_checkpoint(std::shared_ptr<const Checkpoint> checkpoint);

  const Checkpoint& checkpoint() const { return *checkpoint_; }
  const std::shared_ptr<const Checkpoint>& shared_checkpoint() const { return checkpoint_; }
  /// The config of this model: `layers` has the shapes of the kept units.
  const ModelConfig& config() const { return config_; }
  /// The config of the checkpoint.
  const ModelConfig& source_config() const { return *source_config_; }
  const std::vector<Layer>& layers() const { return layers_; }
  int64_t num_layers() const { return static_cast<int64_t>(layers_.size()); }
  const std::map<GlobalRole, at::Tensor>& changed_globals() const { return changed_globals_; }
  /// The vision tower of a composite model, as a model of `tower_family()`. Null if there is none
  /// or it is not computed.
  const Model* tower() const { return tower_.get(); }
  /// Kept channels of the residual stream, as increasing indices into the checkpoint's hidden size.
  const IndexList& channels() const { return channels_; }

  /// Input rows for ids at or above the vocabulary size: row k is the input of id `vocab + k`, [P,
  /// D]; undefined = none. Not part of the model: they hold the encoded image patches that are in
  /// use.
  const at::Tensor& input_rows() const { return input_rows_PD_; }
  /// Returns the model with these rows, on the CPU; undefined = none.
  Model with_input_rows(at::Tensor rows_PD) const;

  /// Returns the model with other layers; the config's shapes are derived from them.
  Model with_layers(std::vector<Layer> layers) const;
  /// Returns the model with a pruned tower, which must have the same number of layers. Drops the
  /// input rows, since another tower computed them.
  Model with_tower(Model tower) const;
  /// Returns the model with only these channels of the residual stream: all tensors with a hidden
  /// axis are read without the others. With n' of n channels, `norm_eps` becomes n / n' times the
  /// checkpoint's, and the checkpoint's norms of the residual stream are multiplied by sqrt(n /
  /// n'), so that a norm gives the same values as with zeros in the removed channels. Changed
  /// tensors must already have that shape and scale.
  Model with_channels(IndexList channels) const;
  /// Returns the model with a changed global tensor (embedding, final norm, head).
  Model with_global(GlobalRole role, at::Tensor value) const;
  /// Returns the model with a bias on every o_proj, down_proj or both, used to compensate for
  /// removed units. Layers whose checkpoint has none must have them in `changed`.
  Model with_biases(bool output, bool down) const;

 private:
  // The dense model: all units of `config` are kept.
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
