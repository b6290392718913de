"""Weights that PEFT computes with after it has loaded an adapter: tests/golden/peft/.

    .env/reference/bin/python tools/golden/peft_adapters.py
"""

import json
import shutil
from pathlib import Path

import peft
import torch
import transformers
from safetensors.torch import save_file

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests/golden/peft"
TARGETS = ["q_proj", "down_proj"]
CASES = {
    "pissa": dict(init_lora_weights="pissa", r=2, lora_alpha=8),
    "olora": dict(init_lora_weights="OLoRA", r=3, lora_alpha=6, use_rslora=True),
    "ranks": dict(r=4, lora_alpha=6, rank_pattern={"down_proj": 2}),
    "orthogonal": dict(init_lora_weights="orthogonal", r=2, lora_alpha=2),
    # Expressions, of which the first that fits counts; "roj" fits no whole name.
    "alphas": dict(r=2, lora_alpha=6, rank_pattern={"down_proj": 3},
                   alpha_pattern={"roj": 99, r"layers\.1\.self_attn\.q_proj": 3, r"self_attn\..*": 5, "0.mlp.[a-e]own_proj": 7}),
}


def make_base():
    torch.manual_seed(3)
    config = transformers.LlamaConfig(
        hidden_size=12, intermediate_size=10, num_hidden_layers=2, num_attention_heads=2, num_key_value_heads=1,
        vocab_size=11, max_position_embeddings=16, tie_word_embeddings=False, initializer_range=0.5)
    transformers.LlamaForCausalLM(config).save_pretrained(OUT / "base")
    (OUT / "base/generation_config.json").unlink(missing_ok=True)


def open_base():
    return transformers.AutoModelForCausalLM.from_pretrained(OUT / "base", dtype=torch.float32)


def make_adapter(folder, settings):
    """Trained: its tensors are no longer what the initialisation made them."""
    model = peft.get_peft_model(open_base(), peft.LoraConfig(target_modules=TARGETS, task_type="CAUSAL_LM", **settings))
    for name, value in model.named_parameters():
        if "lora_" in name:
            value.data += 0.1 * torch.randn_like(value)
    model.save_pretrained(folder)
    (folder / "README.md").unlink()
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text())
    config["base_model_name_or_path"] = "../base"
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=1) + "\n")


def weights(folder):
    model = peft.PeftModel.from_pretrained(open_base(), folder)
    found = {}
    for name, module in model.base_model.model.named_modules():
        if hasattr(module, "lora_A"):
            found[name + ".weight"] = (module.base_layer.weight + module.get_delta_weight("default")).detach().contiguous()
    return found


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir(parents=True)
    make_base()
    expected = {}
    for name, settings in CASES.items():
        make_adapter(OUT / name, settings)
        expected |= {f"{name}/{tensor}": value for tensor, value in weights(OUT / name).items()}
    save_file(expected, OUT / "expected.safetensors", {"peft": peft.__version__})


if __name__ == "__main__":
    main()
