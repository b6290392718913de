

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
