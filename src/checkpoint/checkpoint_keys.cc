#include "checkpoint/checkpoint_keys.h"

namespace mop {
namespace {

using enum Fate;

constexpr KeyFate kIndex[] = {
    {"weight_map", kHonoured, "which file holds a tensor; the files must say the same"},
    {"metadata", kIgnored, "sums over the tensors, which are counted here"},
    {"*", kIgnored, "nothing else says where a tensor is"},
};

constexpr KeyFate kMetadata[] = {
    {"format", kIgnored, "which framework wrote the file; the bytes are the same"},
    {"*", kIgnored, "free text of the writer: types, shapes and places stand beside each tensor"},
};

}  // namespace

const FormatKeys& index_keys() {
  static const FormatKeys keys{"model.safetensors.index.json", kIndex};
  return keys;
}

const FormatKeys& safetensors_metadata_keys() {
  static const FormatKeys keys{"safetensors __metadata__", kMetadata};
  return keys;
}

}  // namespace mop
