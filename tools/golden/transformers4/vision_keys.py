"""Keys that the transformers which runs this defines for image processors and vision towers. Run by ../keys_vision.py with
transformers 4 and 5. stdout: {"transformers": .., "preprocessor_config": [..], "vision_config": [..]}
"""

import inspect
import json
import os

os.environ["TRANSFORMERS_VERBOSITY"] = "error"
import transformers
from transformers.models.clip import image_processing_clip
from transformers.models.llava import image_processing_llava

CLASSES = {image_processing_clip: "CLIPImageProcessor", image_processing_llava: "LlavaImageProcessor"}


def parameters(function):
    return {name for name, p in inspect.signature(function).parameters.items() if p.kind != p.VAR_KEYWORD} - {"self"}


def processor_keys():
    keys = set()
    for module, name in CLASSES.items():
        kind = getattr(module, name)
        keys |= set(kind().to_dict()) | parameters(kind.__init__)
        keys |= set(getattr(getattr(kind, "valid_kwargs", None), "__annotations__", {}))
    if transformers.__version__ < "5":
        from transformers.image_processing_utils_fast import DefaultFastImageProcessorKwargs
        keys |= set(DefaultFastImageProcessorKwargs.__annotations__)
    return keys | {"image_grid_pinpoints"}  # LLaVA-NeXT's


def tower_keys():
    kind = transformers.CLIPVisionConfig
    own = set(vars(kind).get("__annotations__", {})) or parameters(kind.__init__)
    return own | {"model_type"}


print(json.dumps({"transformers": transformers.__version__, "preprocessor_config": sorted(processor_keys()),
                  "vision_config": sorted(tower_keys())}))
