

# Above: the language model, whose layers differ. Below: the Llava that holds it. transformers 4.52 and later.
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM
from transformers.models.llava.configuration_llava import LlavaConfig
from transformers.models.llava.modeling_llava import LlavaForConditionalGeneration

# Llava's constructors look its language model up by its config.
AutoConfig.register("per_layer_llama", PerLayerLlamaConfig, exist_ok=True)
AutoModel.register(PerLayerLlamaConfig, PerLayerLlamaModel, exist_ok=True)
AutoModelForCausalLM.register(PerLayerLlamaConfig, PerLayerLlamaForCausalLM, exist_ok=True)


class PerLayerLlavaConfig(LlavaConfig):
    model_type = "per_layer_llava"


class PerLayerLlavaForConditionalGeneration(LlavaForConditionalGeneration):
    config_class = PerLayerLlavaConfig

    def __init__(self, config):
        super().__init__(config)
        cut_tower(self.model.vision_tower, config.vision_config)


class CutAttention(nn.Module):
    """CLIP's attention with fewer heads than the hidden size is wide."""

    def __init__(self, hidden_size, heads, head_dim):
        super().__init__()
        self.head_dim = head_dim
        for name in ("q_proj", "k_proj", "v_proj"):
            setattr(self, name, nn.Linear(hidden_size, heads * head_dim))
        self.out_proj = nn.Linear(heads * head_dim, hidden_size)

    def forward(self, hidden_states, *args, **kwargs):
        query, key, value = (
            project(hidden_states).unflatten(-1, (-1, self.head_dim)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj))
        mixed = nn.functional.scaled_dot_product_attention(query, key, value)
        return self.out_proj(mixed.transpose(1, 2).flatten(2)), None


def cut_tower(tower, config):
    """Gives every layer of a CLIP tower the heads and MLP neurons that these lists say; absent = as it is."""
    tower = getattr(tower, "vision_model", tower)
    head_dim = config.hidden_size // config.num_attention_heads
    for layer, heads in zip(tower.encoder.layers, getattr(config, "num_attention_heads_per_layer", ())):
        layer.self_attn = CutAttention(config.hidden_size, heads, head_dim)
    for layer, width in zip(tower.encoder.layers, getattr(config, "intermediate_size_per_layer", ())):
        layer.mlp.fc1 = nn.Linear(config.hidden_size, width)
        layer.mlp.fc2 = nn.Linear(width, config.hidden_size)
