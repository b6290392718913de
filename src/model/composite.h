// model/composite.h -- a model that contains a language model and other parts (LLaVA: vision tower
// and projector). Only the language model is trained, and pruned unless a recipe selects the tower;
// the other parts are copied to the output unchanged.
#pragma once
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/key_fates.h"
#include "model/config.h"
#include "model/vision_config.h"

namespace mop {

/// A tensor that is not part of the language model.
struct OutsideTensor {
  std::string name;  ///< in our spelling (checkpoint/tensor_names.h)
  std::vector<int64_t> shape;
};

/// A component other than the language model.
struct OutsidePart {
  std::string name;  ///< "vision tower"
  std::vector<OutsideTensor> tensors;
  int64_t parameters() const;
};

struct CompositeKind;

struct Composite {
  const CompositeKind* kind = nullptr;
  Json raw;  ///< the complete config.json, as read
  VisionConfig vision;
  ProjectorConfig projector;
  int64_t image_token = 0;  ///< id of the image placeholder in a prompt
  std::vector<OutsidePart> parts;
  /// The computed layers of the tower, as layers of a language model of `tower_family()`; these can
  /// be pruned. Empty if the tower is not supported for computing (`CompositeKind::tiles`).
  ModelConfig tower;
  /// Number of layers after the last one whose hidden state is used; they are not computed.
  int64_t unused_layers() const;
  /// Returns a copy with other heads and neurons in the computed layers and without the unused
  /// layers. `shapes`: one per computed layer.
  std::shared_ptr<const Composite> with_tower(const std::vector<LayerShape>& shapes) const;
  /// Parameters of all parts.
  int64_t parameters() const;
  /// Whether a checkpoint may contain a tensor called `name` that is not part of the language
  /// model.
  bool has(std::string_view name) const;
  /// Fills in `parts` and `tower`. Throws Error(kBadInput) if the image token is outside the
  /// vocabulary of `language_model`.
  void find_parts(const ModelConfig& language_model, const std::string& where);
};

/// A kind of composite model; a row of the table.
struct CompositeKind {
  std::string_view name;          ///< name printed by `mop inspect`
  std::string_view model_type;    ///< in config.json
  std::string_view architecture;  ///< transformers' class
  bool tiles;                     ///< large images are split into tiles of the tower's size
};
std::span<const CompositeKind> all_composites();

/// The keys of config.json of a composite model, other than those in text_config.
const FormatKeys& composite_keys();

/// Returns the composite model that `raw` describes, or null for a plain language model. Throws
/// Error(kBadInput) as read_vision_config and read_projector_config do.
std::shared_ptr<Composite> read_composite(const Json& raw, const std::string& where);
/// Returns the layers of the vision tower that can be pruned. Throws Error(kUsage) if the model has
/// no tower or none of its layers is computed.
const ModelConfig& tower_config(const ModelConfig& whole);

/// Returns the section `text_config` as a language model's config; its model_type defaults to
/// llama. Throws Error(kBadInput) if the section is missing.
Json text_config(const Composite& composite, const std::string& where);

}  // namespace mop
