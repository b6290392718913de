#include "model/tensor_keys.h"

namespace mop {
namespace {

using enum Fate;

constexpr KeyFate kTensors[] = {
    {"model.embed_tokens.weight", kHonoured, "the embedding"},
    {"model.norm.weight", kHonoured, "the last norm"},
    {"lm_head.weight", kHonoured,
     "the head, also beside tie_word_embeddings: true when it is not the embedding"},
    {"model.layers.*", kHonoured,
     "the tensors of the family's table; any other is refused, but rotary_emb.inv_freq, which the "
     "config gives as well"},
    {"layers.*", kHonoured, "the same of a model that was saved without its head"},
    {"embed_tokens.weight", kHonoured, "the same of a model that was saved without its head"},
    {"norm.weight", kHonoured, "the same of a model that was saved without its head"},
    {"language_model.*", kHonoured, "the same of LLaVA's language model, as files have it"},
    {"model.language_model.*", kHonoured, "the same, as transformers 4.52 and later hold it"},
    {"vision_tower.*", kHonoured, "LLaVA's tower: passes through; computed for pictures"},
    {"model.vision_tower.*", kHonoured, "the same, as transformers 4.52 and later hold it"},
    {"multi_modal_projector.*", kHonoured, "LLaVA's projector: passes through"},
    {"model.multi_modal_projector.*", kHonoured, "the same in memory"},
    {"image_newline", kHonoured, "LLaVA-1.6's: passes through"},
    {"model.image_newline", kHonoured, "the same in memory"},
    {"*", kRefused, "any other tensor: all of them are listed in one error"},
};

}  // namespace

const FormatKeys& tensor_keys() {
  static const FormatKeys keys{"tensors of a checkpoint", kTensors};
  return keys;
}

}  // namespace mop
