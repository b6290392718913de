"""Logits and greedy text of transformers: tests/golden/logits/.

Every case is a small random model of one family (weights checked in as bfloat16, the same numbers in
float32 and bfloat16 runs) or one of the real models. Sequences of different lengths run as one padded
batch, as transformers does it; what is written are the logits of the real tokens, end to end.

    .env/reference/bin/python tools/golden/logits.py
"""

import json
import os
import shutil
from pathlib import Path

import torch
import transformers
from safetensors.torch import load_file, save_file

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "tests/golden/logits"
DATA = Path(os.environ.get("MOP_TEST_DATA", ROOT / "../shared/data"))
LENGTHS = [13, 7, 13, 1, 9]

BASE = dict(
    hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=4,
    num_key_value_heads=2, vocab_size=48, max_position_embeddings=64, rms_norm_eps=1e-5,
    hidden_act="silu", bos_token_id=1, eos_token_id=2,
)

# name -> (model_type, settings beside BASE as they stand in config.json). Both spellings of rope occur.
CASES = {
    "llama-mha": ("llama", dict(num_key_value_heads=4, head_dim=6, rope_theta=10000.0)),
    "llama-kv-null": ("llama", dict(num_key_value_heads=None, rope_theta=500.0)),
    "llama-bias": ("llama", dict(attention_bias=True, mlp_bias=True, rope_theta=10000.0)),
    "llama-rope-llama3": ("llama", dict(
        head_dim=16, eos_token_id=[2, 3],
        rope_parameters=dict(rope_type="llama3", rope_theta=50.0, factor=4.0, low_freq_factor=1.0,
                             high_freq_factor=4.0, original_max_position_embeddings=16))),
    "llama-rope-llama3-v4": ("llama", dict(
        head_dim=8, rope_theta=70.0,
        rope_scaling=dict(rope_type="llama3", factor=8.0, low_freq_factor=1.0, high_freq_factor=4.0,
                          original_max_position_embeddings=32))),
    "llama-rope-linear": ("llama", dict(
        head_dim=6, rope_theta=100.0, rope_scaling=dict(type="linear", factor=3.0))),
    "llama-tied-head-dim": ("llama", dict(head_dim=10, tie_word_embeddings=True, rope_theta=10000.0)),
    "mistral-window": ("mistral", dict(sliding_window=4, head_dim=8, rope_theta=10000.0)),
    "mistral-no-window": ("mistral", dict(sliding_window=None, rope_theta=10000.0)),
    "qwen2": ("qwen2", dict(rope_theta=10000.0)),
    "qwen2-window": ("qwen2", dict(use_sliding_window=True, sliding_window=5, max_window_layers=1,
                                   rope_theta=10000.0)),
    "qwen3": ("qwen3", dict(head_dim=8, rope_theta=1000000.0)),
    "qwen3-tied-window": ("qwen3", dict(
        head_dim=12, attention_bias=True, tie_word_embeddings=True, use_sliding_window=True,
        sliding_window=6, layer_types=["sliding_attention", "full_attention", "sliding_attention"],
        rope_parameters=dict(rope_type="default", rope_theta=300.0))),
    "llama-rope-both-sections": ("llama", dict(
        head_dim=16, rope_parameters=dict(rope_type="default", rope_theta=10000.0),
        rope_scaling=dict(type="linear", factor=2.0))),
    "llama-rope-yarn": ("llama", dict(
        head_dim=16, max_position_embeddings=256,
        rope_parameters=dict(rope_type="yarn", rope_theta=50.0, factor=4.0, original_max_position_embeddings=64))),
    "llama-rope-yarn-mscale": ("llama", dict(
        head_dim=16, rope_theta=50.0, max_position_embeddings=256,
        rope_scaling=dict(type="yarn", factor=8.0, original_max_position_embeddings=32, mscale=0.7, mscale_all_dim=1.2,
                          beta_fast=4.0, beta_slow=0.5, truncate=False))),
    "mistral-rope-yarn": ("mistral", dict(
        head_dim=12, sliding_window=6, rope_theta=90.0, max_position_embeddings=128,
        rope_scaling=dict(rope_type="yarn", factor=2.0, original_max_position_embeddings=64, attention_factor=0.8))),
    "qwen2-rope-yarn": ("qwen2", dict(
        rope_theta=1000.0, max_position_embeddings=32,
        rope_scaling=dict(rope_type="yarn", factor=4.0, beta_fast=8, beta_slow=None))),
    "qwen3-rope-yarn": ("qwen3", dict(
        head_dim=16, rope_theta=100.0, max_position_embeddings=128,
        rope_scaling=dict(rope_type="yarn", factor=None, original_max_position_embeddings=32))),
    "llama-rope-dynamic": ("llama", dict(
        head_dim=16, rope_theta=50.0, max_position_embeddings=8, rope_scaling=dict(type="dynamic", factor=4.0))),
    "qwen3-rope-dynamic": ("qwen3", dict(
        head_dim=8, max_position_embeddings=9,
        rope_parameters=dict(rope_type="dynamic", rope_theta=30.0, factor=2.5))),
    "llama-rope-longrope": ("llama", dict(
        head_dim=8, rope_theta=50.0, original_max_position_embeddings=8,
        rope_scaling=dict(type="longrope", short_factor=[1.0, 1.1, 1.25, 1.5], long_factor=[1.0, 2.0, 4.5, 9.0]))),
    "qwen2-rope-longrope": ("qwen2", dict(
        rope_parameters=dict(rope_type="longrope", rope_theta=80.0, factor=5.0, attention_factor=0.9,
                             original_max_position_embeddings=9, short_factor=[1.0, 1.2, 1.3],
                             long_factor=[1.5, 2.5, 6.0]))),
}
# Rotary scaling that looks at the length of a sequence: each runs by itself, in a model without a memory of others.
BY_LENGTH = ("dynamic", "longrope")


def sequences(vocab):
    return [[(7 * s + 11 * t * (s + 2) + 3) % vocab for t in range(n)] for s, n in enumerate(LENGTHS)]


def draw_weights(model, seed):
    generator = torch.Generator().manual_seed(seed)
    for name, value in model.named_parameters():
        noise = torch.randn(value.shape, generator=generator)
        if "norm" in name:
            new = 1.0 + 0.2 * noise
        elif name.endswith("bias"):
            new = 0.2 * noise
        elif "embed" in name:
            new = noise
        else:
            # Larger ones make bfloat16 itself (transformers' against its own float32) differ by more
            # than the tolerance.
            new = 0.6 * noise * value.shape[-1] ** -0.5
        value.data = new.to(torch.bfloat16)


def is_by_length(folder):
    config = transformers.AutoConfig.from_pretrained(folder)
    return config.rope_parameters["rope_type"] in BY_LENGTH


def open_model(folder, dtype):
    return transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, attn_implementation="eager").eval()


def logits(folder, dtype):
    if is_by_length(folder):
        vocab = json.loads((folder / "config.json").read_text())["vocab_size"]
        with torch.no_grad():
            return torch.cat([open_model(folder, dtype)(input_ids=torch.tensor([s])).logits[0] for s in sequences(vocab)])
    model = open_model(folder, dtype)
    ids = sequences(model.config.vocab_size)
    padded = torch.tensor([s + [0] * (max(LENGTHS) - len(s)) for s in ids])
    mask = torch.tensor([[1] * len(s) + [0] * (max(LENGTHS) - len(s)) for s in ids])
    with torch.no_grad():
        out = model(input_ids=padded, attention_mask=mask).logits
    return torch.cat([out[i, :n] for i, n in enumerate(LENGTHS)])


def write_expected(folder, path, stride=1):
    """Every `stride`-th column of the logits."""
    vocab = json.loads((folder / "config.json").read_text())["vocab_size"]
    ids = torch.tensor(sum(sequences(vocab), []))
    exact, rounded = (logits(folder, t)[:, ::stride] for t in (torch.float32, torch.bfloat16))
    save_file({"ids": ids, "lengths": torch.tensor(LENGTHS), "stride": torch.tensor([stride]),
               "float32": exact.contiguous(), "bfloat16": rounded.to(torch.bfloat16).contiguous()},
              path, {"transformers": transformers.__version__, "torch": torch.__version__})


def write_case(name, model_type, settings, seed):
    folder = OUT / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    config_class = transformers.AutoConfig.for_model(model_type).__class__
    raw = {**BASE, **settings}
    model = transformers.AutoModelForCausalLM.from_config(config_class(**json.loads(json.dumps(raw))))
    draw_weights(model, seed)
    tensors = {k: v for k, v in model.state_dict().items()
               if not (k == "lm_head.weight" and raw.get("tie_word_embeddings"))}
    save_file({k: v.clone() for k, v in tensors.items()}, folder / "model.safetensors", {"format": "pt"})
    config = {"architectures": [type(model).__name__], "model_type": model_type, **raw,
              "torch_dtype": "bfloat16"}
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    write_expected(folder, folder / "expected.safetensors")
    if is_by_length(folder):
        write_greedy(folder, OUT / f"{name}.greedy.json", count=16)


def write_greedy(folder, path, count=60):
    vocab = json.loads((folder / "config.json").read_text())["vocab_size"]
    made = []
    for prompt in ([1], [1] + [(97 * t + 40) % vocab for t in range(5)], [1, 300 % vocab, 17]):
        model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        out = model.generate(torch.tensor([prompt]), do_sample=False, max_new_tokens=count,
                             eos_token_id=2, pad_token_id=0)[0].tolist()
        made.append({"prompt": prompt, "made": out[len(prompt):]})
    path.write_text(json.dumps({"transformers": transformers.__version__, "max_new_tokens": count,
                                "runs": made}) + "\n")


def main():
    torch.set_num_threads(2)
    OUT.mkdir(parents=True, exist_ok=True)
    for seed, (name, (model_type, settings)) in enumerate(CASES.items()):
        write_case(name, model_type, settings, seed)
    real = {"tinystories-12l": ROOT / "assets/tinystories-12l", "stories260k": DATA / "models/stories260k"}
    for name, folder in real.items():
        if not folder.exists():
            print(f"kept as it is, {folder} is absent: {name}")
            continue
        write_expected(folder, OUT / f"{name}.safetensors", stride=4)
        write_greedy(folder, OUT / f"{name}.greedy.json")
    print("cases:", len(CASES) + len(real))


if __name__ == "__main__":
    main()
