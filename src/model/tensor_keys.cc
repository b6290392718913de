#include "model/tensor_keys.h"

namespace mop {
namespace {

using enum Fate;

constexpr KeyFate kTensors[] = {
    {"model.embed_tokens.weight", kHonoured, "the embedding"},
    {"model.norm.weight", kHonoured, "the final norm"},
    {"lm_head.weight", kHonoured,
     "the head; with tie_word_embeddings: true, used if it differs from the embedding"},
    {"model.layers.*", kHonoured,
     "the tensors of the family's table; others are refused, except rotary_emb.inv_freq, which the "
     "config determines"},
    {"layers.*", kHonoured, "the same in a model saved without its head"},
    {"embed_tokens.weight", kHonoured, "the same in a model saved without its head"},
    {"norm.weight", kHonoured, "the same in a model saved without its head"},
    {"language_model.*", kHonoured, "LLaVA's language model, as named in files"},
    {"model.language_model.*", kHonoured, "the same, as named in transformers 4.52 and later"},
    {"vision_tower.*", kHonoured,
     "LLaVA's vision tower: copied unless pruned; computed for images"},
    {"model.vision_tower.*", kHonoured, "the same, as named in transformers 4.52 and later"},
    {"multi_modal_projector.*", kHonoured, "LLaVA's projector: copied"},
    {"model.multi_modal_projector.*", kHonoured, "the same, as named in memory"},
    {"image_newline", kHonoured, "LLaVA-1.6's newline embedding: copied"},
    {"model.image_newline", kHonoured, "the same, as named in memory"},
    {"*", kRefused, "any other tensor; one error lists all of them"},
};

}  // namespace

const FormatKeys& tensor_keys() {
  static const FormatKeys keys{"tensors of a checkpoint", kTensors};
  return keys;
}

}  // namespace mop
