// vision/vision_config_keys.cc
#include "vision/vision_config_keys.h"

#include "model/config_keys.h"
#include "model/vision_config.h"

namespace mop {
namespace {

using enum Fate;

constexpr KeyFate kKeys[] = {
    {"model_type", kRefused, "towers but CLIP's"},
    {"hidden_size", kHonoured, "a size"},
    {"intermediate_size", kHonoured, "a size"},
    {"num_hidden_layers", kHonoured, "a size"},
    {"num_attention_heads", kHonoured, "a size"},
    {kHeadsPerLayer, kHonoured, "heads of every layer of a pruned tower"},
    {kMlpPerLayer, kHonoured, "MLP widths of every layer of a pruned tower"},
    {"image_size", kHonoured, "the side of the pictures that the tower reads"},
    {"patch_size", kHonoured, "the side of a patch"},
    {"num_channels", kRefused, "pictures that are not RGB (other than 3)"},
    {"hidden_act", kHonoured, "the activation of its MLPs"},
    {"layer_norm_eps", kHonoured, "in every norm"},
    {"projection_dim", kIgnored, "of CLIP's comparison with texts, which no feature passes"},
    {"vocab_size", kIgnored, "of CLIP's half for texts"},
    {"attention_dropout", kIgnored, "of its training"},
    {"dropout", kIgnored, "of its training"},
    {"initializer_factor", kIgnored, "of its training"},
    {"initializer_range", kIgnored, "of its training"},
};

}  // namespace

const FormatKeys& vision_config_keys() {
  static const FormatKeys keys{"vision_config of a vision-language model", kKeys};
  return keys;
}

std::vector<std::string> unknown_vision_keys(const Json& raw) {
  std::vector<std::string> unknown = unknown_keys(raw, vision_config_keys());
  std::erase_if(unknown, [](const auto& key) { return find_fate(config_keys(), key) != nullptr; });
  return unknown;
}

}  // namespace mop
