// model/composite.h -- a model that holds a language model beside other parts: LLaVA's vision tower
// and projector. The language model alone is trained, and pruned unless a recipe names the tower;
// the rest passes through.
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

/// A tensor beside the language model, by its name here (checkpoint/tensor_names.h).
struct OutsideTensor {
  std::string name;
  std::vector<int64_t> shape;
};

/// What stands beside the language model and is no part of it.
struct OutsidePart {
  std::string name;  ///< "vision tower"
  std::vector<OutsideTensor> tensors;
  int64_t parameters() const;
};

struct CompositeKind;

struct Composite {
  const CompositeKind* kind = nullptr;
  Json raw;  ///< the whole config.json as read
  VisionConfig vision;
  ProjectorConfig projector;
  int64_t image_token = 0;  ///< the id that stands for a picture in a prompt
  std::vector<OutsidePart> parts;
  /// The layers of the tower that are computed, as those of a language model of `tower_family()`:
  /// what can be cut of them. None where the tower is not run (`CompositeKind::tiles`).
  ModelConfig tower;
  /// Layers behind the last one whose hidden state is taken: nobody computes them.
  int64_t idle_layers() const;
  /// The same with other heads and neurons in the layers that are computed, and without the idle
  /// ones. `shapes`: one of each.
  std::shared_ptr<const Composite> with_tower(const std::vector<LayerShape>& shapes) const;
  /// Of all parts, in parameters.
  int64_t parameters() const;
  /// Whether `name` may stand in the files beside the language model.
  bool has(std::string_view name) const;
  /// Finds the parts. Throws Error(kBadInput) when the language model does not fit: an image token
  /// outside its vocabulary.
  void fit(const ModelConfig& language_model, const std::string& where);
};

/// One way of holding a language model; a row of the table.
struct CompositeKind {
  std::string_view name;          ///< ours, as `mop inspect` prints it
  std::string_view model_type;    ///< of the whole config.json
  std::string_view architecture;  ///< transformers' class
  bool tiles;                     ///< large pictures become several of the tower's size
};
std::span<const CompositeKind> all_composites();

/// The keys of such a config.json beside text_config's.
const FormatKeys& composite_keys();

/// What the language model of `raw` is a part of; null when it stands alone.
/// Throws Error(kBadInput) as read_vision_config and read_projector_config do.
std::shared_ptr<Composite> read_composite(const Json& raw, const std::string& where);
/// The layers of the vision tower beside a language model that can be cut. Throws Error(kUsage) for
/// a model that has none, or none that is computed.
const ModelConfig& tower_config(const ModelConfig& whole);

/// The section `text_config`, as the config of a language model: its model_type is llama's when the
/// file leaves it out. Throws Error(kBadInput) when there is none.
Json text_config(const Composite& composite, const std::string& where);

}  // namespace mop
