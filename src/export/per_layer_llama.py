"""A Llama whose layers differ: each has its own heads, KV heads and MLP neurons, and may lack its attention or its MLP.

`per_layer_config` in config.json says how layer i differs from the keys beside it; `skip` lists the halves that are
missing. `o_proj_bias` and `down_proj_bias` add a bias to these projections of all layers. The rest is transformers'
own Llama: generate(), KV cache, gradients. Works with transformers 4.45 and later, 5 included.
"""

import contextlib
import copy

import torch
import transformers
from packaging import version
from torch import nn
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaForCausalLM, LlamaModel

OLD = version.parse(transformers.__version__) < version.parse("4.48")
# What an attention returns: output, weights and, in old versions, the cache.
ATTENTION_RESULTS = 3 if OLD else 2
# Old versions take the size of these models' heads from that of the hidden states, whatever the config says.
HEAD_DIM_IS_IGNORED = OLD and LlamaConfig.model_type == "qwen2"


class PerLayerLlamaConfig(LlamaConfig):
    model_type = "per_layer_llama"


class NoAttention(nn.Module):
    """Adds nothing. Keeps one number a token in the cache, so that all layers count the same tokens."""

    def __init__(self, layer_idx):
        super().__init__()
        self.layer_idx = layer_idx

    def forward(self, hidden_states, past_key_values=None, past_key_value=None, **kwargs):
        cache = past_key_value if past_key_values is None else past_key_values
        if cache is not None:
            empty = hidden_states.new_zeros(hidden_states.shape[0], 1, hidden_states.shape[1], 1)
            cache.update(empty, empty, self.layer_idx)
        return (torch.zeros_like(hidden_states), None, cache)[:ATTENTION_RESULTS]


class NoMlp(nn.Module):
    def forward(self, hidden_states):
        return torch.zeros_like(hidden_states)


def config_of_layer(config, index):
    overrides = getattr(config, "per_layer_config", {})
    if not isinstance(overrides, dict):  # transformers 5.14 and later resolve them
        return overrides[index]
    own = copy.copy(config)
    for key, value in {int(i): layer for i, layer in overrides.items()}.get(index, {}).items():
        setattr(own, key, value)
    return own


def with_bias(linear):
    return nn.Linear(linear.in_features, linear.out_features, bias=True)


def layer_of(own, index):
    if not HEAD_DIM_IS_IGNORED:
        return LlamaDecoderLayer(own, index)
    one_head = copy.copy(own)
    one_head.num_attention_heads = one_head.num_key_value_heads = 1
    layer = LlamaDecoderLayer(one_head, index)
    heads, groups, size = own.num_attention_heads, own.num_key_value_heads, own.head_dim
    attention = layer.self_attn
    attention.num_heads, attention.num_key_value_heads, attention.num_key_value_groups = heads, groups, heads // groups
    attention.head_dim = size
    attention.hidden_size = heads * size  # what it reshapes its result to
    attention.q_proj = nn.Linear(own.hidden_size, heads * size, bias=True)
    attention.k_proj = nn.Linear(own.hidden_size, groups * size, bias=True)
    attention.v_proj = nn.Linear(own.hidden_size, groups * size, bias=True)
    attention.o_proj = nn.Linear(heads * size, own.hidden_size, bias=False)
    return layer


def build_layer(config, index):
    own = config_of_layer(config, index)
    skip = getattr(own, "skip", [])
    layer = layer_of(own, index)
    if "attention" in skip:
        layer.self_attn, layer.input_layernorm = NoAttention(index), nn.Identity()
    else:
        layer.self_attn.config = config  # which the kind of attention is read from, at every call
        if getattr(config, "o_proj_bias", False):
            layer.self_attn.o_proj = with_bias(layer.self_attn.o_proj)
    if "mlp" in skip:
        layer.mlp, layer.post_attention_layernorm = NoMlp(), nn.Identity()
    elif getattr(config, "down_proj_bias", False):
        layer.mlp.down_proj = with_bias(layer.mlp.down_proj)
    return layer


@contextlib.contextmanager
def without_layers(config):
    """For the constructors of transformers, which would make layers of equal size."""
    num_layers, config.num_hidden_layers = config.num_hidden_layers, 0
    try:
        yield
    finally:
        config.num_hidden_layers = num_layers


class PerLayerLlamaModel(LlamaModel):
    config_class = PerLayerLlamaConfig

    def __init__(self, config):
        with without_layers(config):
            super().__init__(config)
        self.layers = nn.ModuleList([build_layer(config, i) for i in range(config.num_hidden_layers)])
        self.post_init()


class PerLayerLlamaForCausalLM(LlamaForCausalLM):
    config_class = PerLayerLlamaConfig

    def __init__(self, config):
        with without_layers(config):
            super().__init__(config)
        self.model = PerLayerLlamaModel(config)
        self.post_init()
