"""A Mistral whose rotary embedding is scaled, for transformers before 4.48: their own class ignores `rope_scaling`, so a
Llama computes it, which is the same function where there is no sliding window. From 4.48 on it is transformers' own Mistral.
"""

import transformers
from packaging import version
from transformers.models.llama.modeling_llama import LlamaForCausalLM, LlamaModel
from transformers.models.mistral.configuration_mistral import MistralConfig
from transformers.models.mistral.modeling_mistral import MistralForCausalLM, MistralModel

IGNORED = version.parse(transformers.__version__) < version.parse("4.48")


class ScaledMistralConfig(MistralConfig):
    model_type = "mistral"
    # What a Llama asks for besides.
    attention_bias = mlp_bias = False
    pretraining_tp = 1


class ScaledMistralModel(LlamaModel if IGNORED else MistralModel):
    config_class = ScaledMistralConfig


class ScaledMistralForCausalLM(LlamaForCausalLM if IGNORED else MistralForCausalLM):
    config_class = ScaledMistralConfig
