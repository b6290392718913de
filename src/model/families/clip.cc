// model/families/clip.cc -- attention and MLP of CLIP's vision transformer (arXiv 2103.00020) in
// the form of a decoder layer: every head is its own KV head, fc1 is `up`, fc2 is `down`. Norms,
// which are never cut, and tensors outside the layers are in model/composite.cc.
#include "model/families/families.h"

namespace mop {

Family clip_tower_family() {
  using R = Role;
  using A = Axis;
  using H = Half;
  return {
      .name = "clip-tower",
      .model_type = "clip_vision_model",
      .architecture = "CLIPVisionModel",
      .layer_prefix = "vision_tower.encoder.layers.",
      // clang-format off
      .layer_tensors = {
          {R::kQuery, "self_attn.q_proj.weight", {A::kQuery, A::kHidden}, H::kAttention, always},
          {R::kQueryBias, "self_attn.q_proj.bias", {A::kQuery}, H::kAttention, always},
          {R::kKey, "self_attn.k_proj.weight", {A::kKeyValue, A::kHidden}, H::kAttention, always},
          {R::kKeyBias, "self_attn.k_proj.bias", {A::kKeyValue}, H::kAttention, always},
          {R::kValue, "self_attn.v_proj.weight", {A::kKeyValue, A::kHidden}, H::kAttention, always},
          {R::kValueBias, "self_attn.v_proj.bias", {A::kKeyValue}, H::kAttention, always},
          {R::kOutput, "self_attn.out_proj.weight", {A::kHidden, A::kQuery}, H::kAttention, always},
          {R::kOutputBias, "self_attn.out_proj.bias", {A::kHidden}, H::kAttention, always},
          {R::kUp, "mlp.fc1.weight", {A::kMlp, A::kHidden}, H::kMlp, always},
          {R::kUpBias, "mlp.fc1.bias", {A::kMlp}, H::kMlp, always},
          {R::kDown, "mlp.fc2.weight", {A::kHidden, A::kMlp}, H::kMlp, always},
          {R::kDownBias, "mlp.fc2.bias", {A::kHidden}, H::kMlp, always},
      },
      // clang-format on
      .global_tensors = {},
      .class_defaults = "{}",
      .read_config = nullptr,
  };
}

}  // namespace mop
