"""Keys of the config classes of the transformers that runs this, and what the classes make of a config that leaves a key out.
Run by ../keys_model.py with transformers 4 and 5. stdout: {"transformers": .., "config": [..], "generation_config": [..],
"left_out": {family: {key or "": values}}}
"""

import inspect
import json
import os
import sys

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import transformers

FAMILIES = {"llama": "LlamaConfig", "mistral": "MistralConfig", "qwen2": "Qwen2Config", "qwen3": "Qwen3Config"}
# Everything that a class may default, at values that are no default.
GIVEN = dict(
    vocab_size=48, hidden_size=256, intermediate_size=40, num_hidden_layers=4, num_attention_heads=16,
    num_key_value_heads=2, head_dim=24, hidden_act="silu", max_position_embeddings=64, rms_norm_eps=1e-3,
    tie_word_embeddings=True, rope_theta=77.0, sliding_window=9, use_sliding_window=True, max_window_layers=3,
    attention_bias=True, mlp_bias=True,
)

SIZES = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads")


def keys_of(config_class):
    parameters = inspect.signature(config_class.__init__).parameters
    return set(config_class().to_dict()) | {p for p in parameters if p not in ("self", "kwargs")}


def theta_of(config):
    rope = getattr(config, "rope_parameters", None)
    return rope["rope_theta"] if isinstance(rope, dict) and "rope_theta" in rope else config.rope_theta


def values(config):
    window = getattr(config, "sliding_window", None)
    types = getattr(config, "layer_types", None)
    if config.model_type == "llama":
        window = None
    windowed = [window is not None and (types is None or t == "sliding_attention")
                for t in types or [""] * config.num_hidden_layers]
    return {
        "num_key_value_heads": config.num_key_value_heads,
        "head_dim": getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads,
        "max_position_embeddings": config.max_position_embeddings,
        "rms_norm_eps": config.rms_norm_eps,
        "tie_word_embeddings": config.tie_word_embeddings,
        "rope_theta": theta_of(config),
        "sliding_window": window if any(windowed) else None,
        "windowed": windowed,
        # Not settings of every class: what its attention and MLP have.
        "attention_bias": {"mistral": False, "qwen2": True}.get(config.model_type, getattr(config, "attention_bias", None)),
        "mlp_bias": config.model_type == "llama" and config.mlp_bias,
    }


def keys_beside_parts(config_class):
    """Of a model that holds a language model: what its class has beside what all configs have."""
    every = set(transformers.PretrainedConfig().to_dict())
    return (keys_of(config_class) - every) | {"architectures", "model_type", "tie_word_embeddings", "torch_dtype", "dtype"}


def main():
    config_keys, left_out = set(), {}
    for family, name in FAMILIES.items():
        config_class = getattr(transformers, name)
        config_keys |= keys_of(config_class)
        sizes = {k: GIVEN[k] for k in SIZES}
        cases = {"": sizes, **{key: {k: v for k, v in GIVEN.items() if k != key} for key in GIVEN if key not in SIZES}}
        left_out[family] = {key: {"config": {"model_type": family, **given}, "values": values(config_class(**given))}
                            for key, given in cases.items()}
    composite = keys_beside_parts(transformers.LlavaConfig) | keys_beside_parts(transformers.LlavaNextConfig)
    json.dump({"transformers": transformers.__version__, "config": sorted(config_keys), "composite": sorted(composite),
               "generation_config": sorted(transformers.GenerationConfig().to_dict()), "left_out": left_out}, sys.stdout)


main()
