"""Small random LLaVA models and what transformers computes with them: tests/golden/llava/.

Once as transformers 4 saves them and once as 5 does. `expected.safetensors`: pixels of pictures, the rows that they become
behind the projector, sequences of ids in which the k-th row is id `vocab + k`, and the logits of all of them.

    .env/reference/bin/python tools/golden/llava.py
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests/golden/llava"
VOCAB, IMAGE, SIDE, PATCH = 40, 39, 12, 4
PATCHES = (SIDE // PATCH) ** 2
# Pictures of a sequence stand where IMAGE stands.
PROMPTS = [[1, IMAGE, 7, 9, 30, 2, 5], [1, 4, IMAGE, 8, IMAGE, 11], [1, 3, 12, 6]]
TEXT = dict(model_type="llama", hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
            num_key_value_heads=2, head_dim=6, vocab_size=VOCAB, max_position_embeddings=64, rms_norm_eps=1e-5,
            rope_theta=10000.0, tie_word_embeddings=False)
VISION = dict(model_type="clip_vision_model", hidden_size=16, intermediate_size=28, num_hidden_layers=3,
              num_attention_heads=2, image_size=SIDE, patch_size=PATCH)
CASES = {"default": {}, "full-two-layers": dict(vision_feature_select_strategy="full", vision_feature_layer=[-1, 1],
                                               multimodal_projector_bias=False),
         # LLaVA-1.6, whose pictures are tiles: words alone.
         "tiles": dict(image_grid_pinpoints=[[SIDE, 2 * SIDE]])}


def words_alone(model, torch, pixels):
    prompts = [[token for token in prompt if token != IMAGE] for prompt in PROMPTS]
    logits = [model(input_ids=torch.tensor([prompt])).logits[0] for prompt in prompts]
    return torch.zeros(0, TEXT["hidden_size"]), prompts, torch.cat(logits)


def expand(model, torch, pixels):
    """The sequences with a token for each row; their logits; all rows in the order of the pictures."""
    rows = model.get_image_features(pixel_values=pixels)
    rows = rows.pooler_output if hasattr(rows, "pooler_output") else rows
    rows = [r.reshape(-1, r.shape[-1]) for r in rows]
    per_image, picture, first, all_ids, logits = rows[0].shape[0], 0, 0, [], []
    for prompt in PROMPTS:
        count = prompt.count(IMAGE)
        ids = [i for token in prompt for i in ([token] * per_image if token == IMAGE else [token])]
        images = dict(pixel_values=pixels[picture:picture + count]) if count else {}
        out = model(input_ids=torch.tensor([ids]), attention_mask=torch.ones(1, len(ids), dtype=torch.long), **images)
        logits.append(out.logits[0])
        for i, token in enumerate(ids):
            if token == IMAGE:
                ids[i], first = VOCAB + first, first + 1
        all_ids.append(ids)
        picture += count
    return torch.cat(rows), all_ids, torch.cat(logits)


def make(folder, settings):
    import torch
    from safetensors.torch import save_file
    from transformers import (CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaForConditionalGeneration, LlavaNextConfig,
                              LlavaNextForConditionalGeneration)

    torch.manual_seed(7)
    tiles = "image_grid_pinpoints" in settings
    config_class = LlavaNextConfig if tiles else LlavaConfig
    config = config_class(vision_config=CLIPVisionConfig(**VISION).to_dict(), text_config=LlamaConfig(**TEXT).to_dict(),
                          image_token_index=IMAGE, image_seq_length=PATCHES, **settings)
    model = (LlavaNextForConditionalGeneration if tiles else LlavaForConditionalGeneration)(config).float().eval()
    for parameter in model.parameters():  # that no layer is a small change of the one before
        parameter.data.mul_(4) if parameter.dim() > 1 else parameter.data.add_(torch.randn_like(parameter) / 8)
    shutil.rmtree(folder, ignore_errors=True)
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    pixels = torch.randn(3, 3, SIDE, SIDE)
    with torch.no_grad():
        rows, ids, logits = (words_alone if tiles else expand)(model, torch, pixels)
    save_file({"pixels": pixels, "rows": rows.contiguous(), "logits": logits.contiguous(),
               "ids": torch.tensor([i for one in ids for i in one]), "lengths": torch.tensor([len(one) for one in ids])},
              folder / "expected.safetensors")


def main():
    if len(sys.argv) == 3:  # within one of the environments
        return make(Path(sys.argv[1]), json.loads(sys.argv[2]))
    for name, settings in CASES.items():
        for version, environment in (("4", "reference4"), ("5", "reference")):
            python = ROOT / ".env" / environment / "bin/python"
            subprocess.run([python, __file__, OUT / f"{name}-transformers{version}", json.dumps(settings)], check=True)


if __name__ == "__main__":
    main()
