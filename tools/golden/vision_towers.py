"""What transformers makes of pictures in tiny random LLaVA models: tests/golden/vision/llava*/

    .env/reference/bin/python tools/golden/vision_towers.py

config.json, preprocessor_config.json or processor_config.json, model.safetensors and expected.safetensors: `features` (the
chosen hidden states), `rows` (what the projector makes of them) in float32 and bfloat16 for the pictures in its metadata,
and for prompts with them the `ids`, how many of them each prompt has, and the `logits` of its last token.
"""

import json
import shutil

import torch
import transformers
from logits import draw_weights
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil
from transformers.models.llava.image_processing_pil_llava import LlavaImageProcessorPil
from vision import OUT, PICTURES

FILES = ["wide.png", "tall.png", "420.jpg"]
IMAGE, VOCAB = 37, 40
TEXT = dict(model_type="llama", vocab_size=VOCAB, hidden_size=12, intermediate_size=20, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=128, rms_norm_eps=1e-5,
            tie_word_embeddings=False)
TOWER = dict(model_type="clip_vision_model", hidden_size=16, intermediate_size=24, num_hidden_layers=3, num_attention_heads=2,
             patch_size=4)
# name: vision_config, the rest of config.json, the image processor, whether it is saved as transformers 4 saves it
CASES = {
    "llava": (dict(TOWER, image_size=12), dict(vision_feature_layer=-2, vision_feature_select_strategy="default"),
              (CLIPImageProcessorPil, dict(size={"shortest_edge": 12}, crop_size={"height": 12, "width": 12})), True),
    "llava-states": (dict(TOWER, image_size=15, hidden_act="gelu", layer_norm_eps=1e-3),
                     dict(vision_feature_layer=[-2, 0, 3], vision_feature_select_strategy="full",
                          multimodal_projector_bias=False, projector_hidden_act="gelu_pytorch_tanh"),
                     (LlavaImageProcessorPil, dict(do_pad=True, size={"shortest_edge": 15}, crop_size=15, resample=2)), False),
}
# Numbers are ids of words, letters the pictures of FILES.
PROMPTS = [[1, "a", 5, 6, 7], [3, 4, "c", 9, "b", 11, 12], ["b"], [8, 9, 10]]


def as_transformers_4(name):
    return name.replace("vision_tower.", "vision_tower.vision_model.")


def write_folder(name):
    vision, others, (kind, settings), old = CASES[name]
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    config = transformers.LlavaConfig(vision_config=dict(vision), text_config=dict(TEXT), image_token_index=IMAGE, **others)
    model = transformers.LlavaForConditionalGeneration(config)
    draw_weights(model, list(CASES).index(name))
    model.to(torch.bfloat16).save_pretrained(folder)
    for file in folder.iterdir():
        if file.name not in ("config.json", "model.safetensors"):
            file.unlink()
    processor = {**kind(**settings).to_dict()}
    if old:
        tensors = load_file(folder / "model.safetensors")
        save_file({as_transformers_4(k): v for k, v in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
        (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=1) + "\n")
    else:
        nested = {"image_processor": processor, "processor_class": "LlavaProcessor"}
        (folder / "processor_config.json").write_text(json.dumps(nested, indent=1) + "\n")
    return folder, kind(**settings)


def open_model(folder, dtype):
    model, info = transformers.LlavaForConditionalGeneration.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager", output_loading_info=True)
    assert not any(info.values()), info
    return model.eval()


def rows_of(model, pixels):
    return torch.stack(list(model.get_image_features(pixel_values=pixels.to(model.dtype)).pooler_output)).flatten(0, 1)


def features_of(model, pixels):
    config = model.config
    states = model.model.vision_tower(pixels, output_hidden_states=True).hidden_states
    layers = config.vision_feature_layer
    chosen = torch.cat([states[i] for i in (layers if isinstance(layers, list) else [layers])], -1)
    return chosen if config.vision_feature_select_strategy == "full" else chosen[:, 1:]


def logits_of(model, pixels, prompt, rows):
    ids, images = [], []
    for part in prompt:
        ids += [IMAGE] * rows if isinstance(part, str) else [part]
        images += ["abc".index(part)] if isinstance(part, str) else []
    given = dict(pixel_values=pixels[images]) if images else {}
    return model(input_ids=torch.tensor([ids]), **given).logits[0, -1]


def write_case(name):
    folder, processor = write_folder(name)
    pixels = torch.cat([processor(Image.open(PICTURES / file).convert("RGB"), return_tensors="pt")["pixel_values"]
                        for file in FILES])
    model = open_model(folder, torch.float32)
    with torch.no_grad():
        rows = rows_of(model, pixels)
        each = rows.shape[0] // len(FILES)
        ids = [[IMAGE if isinstance(part, str) else part for part in prompt] for prompt in PROMPTS]
        expected = {"features": features_of(model, pixels), "rows": rows,
                    "rows_bfloat16": rows_of(open_model(folder, torch.bfloat16), pixels),
                    "ids": torch.tensor(sum(ids, [])), "lengths": torch.tensor([len(i) for i in ids]),
                    "images": torch.tensor(["abc".index(p) for prompt in PROMPTS for p in prompt if isinstance(p, str)]),
                    "logits": torch.stack([logits_of(model, pixels, prompt, each) for prompt in PROMPTS])}
    about = {"transformers": transformers.__version__, "pictures": ",".join(FILES)}
    save_file({k: v.contiguous() for k, v in expected.items()}, folder / "expected.safetensors", about)
    print(name, {k: tuple(v.shape) for k, v in expected.items()})


def main():
    torch.set_num_threads(1)
    for name in CASES:
        write_case(name)


if __name__ == "__main__":
    main()
