// model/families/shared.cc
#include "base/error.h"
#include "model/families/families.h"

namespace mop {

std::vector<GlobalTensor> standard_globals() {
  return {
      {GlobalRole::kEmbedding, "model.embed_tokens.weight", {Axis::kVocab, Axis::kHidden}, always},
      {GlobalRole::kFinalNorm, "model.norm.weight", {Axis::kHidden}, always},
      {GlobalRole::kHead, "lm_head.weight", {Axis::kVocab, Axis::kHidden}, untied},
  };
}

namespace {

bool is_sliding(const Json& type, const std::string& where) {
  if (type == "sliding_attention") return true;
  if (type == "full_attention") return false;
  throw bad_input("unsupported entry of 'layer_types': {}", type.dump())
      .where("file", where)
      .hint("supported: full_attention, sliding_attention");
}

}  // namespace

void read_qwen_window(const Json& raw, const std::string& where, ModelConfig& config) {
  if (!get_or<bool>(raw, "use_sliding_window", false, where)) return;
  if (raw["sliding_window"].is_null()) return;
  const int64_t window = require<int64_t>(raw, "sliding_window", where);
  if (window < 1)
    throw bad_input("'sliding_window' must be positive, got {}", window).where("file", where);
  const size_t num_layers = config.layers.size();
  std::vector<bool> windowed(num_layers, false);
  const auto types = raw.find("layer_types");
  if (types != raw.end() && types->is_array()) {
    if (types->size() != num_layers) {
      throw bad_input("'layer_types' has {} entries for {} layers", types->size(), num_layers)
          .where("file", where);
    }
    for (size_t i = 0; i < num_layers; ++i) windowed[i] = is_sliding((*types)[i], where);
  } else {
    const int64_t first = require<int64_t>(raw, "max_window_layers", where);
    for (size_t i = 0; i < num_layers; ++i) windowed[i] = static_cast<int64_t>(i) >= first;
  }
  config.sliding_window = window;
  config.windowed = std::move(windowed);
}

void check_layer_types(const Json& raw, const std::string& where, const ModelConfig& config) {
  const auto types = raw.find("layer_types");
  if (types == raw.end() || !types->is_array()) return;
  if (types->size() != config.layers.size()) {
    throw bad_input("'layer_types' has {} entries for {} layers", types->size(),
                    config.layers.size())
        .where("file", where);
  }
  for (size_t i = 0; i < types->size(); ++i) {
    const bool windowed = !config.windowed.empty() && config.windowed[i];
    if (is_sliding((*types)[i], where) == windowed) continue;
    throw bad_input("'layer_types' is {} for layer {}, but the other settings of a {} give {}",
                    (*types)[i].dump(), i, config.family->name,
                    windowed ? "a sliding window" : "none")
        .where("file", where)
        .hint("layer_types must agree with sliding_window and use_sliding_window");
  }
}

}  // namespace mop
