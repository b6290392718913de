"""GGUF files that mop did not write: by the package `gguf`, as llama.cpp's converters use it, with what such files have
or lack. mop reads each as llama.cpp does, or refuses it by name. Then tokenizers: byte-level BPE ones of several
kinds, exported by mop, give llama.cpp the ids that they give mop.

Imports the Python package `mop` (build/python) for our logits.
"""

import argparse
import json
import pathlib
import subprocess

import gguf
import numpy as np
import torch  # before mop
import mop
from gguf_reader import difference
from llama_cpp import LlamaCpp

HIDDEN, HEADS, KV, DIM, MLP, VOCAB, LAYERS = 64, 4, 2, 16, 96, 80, 2
TOLERANCE = {"f32": 1e-4, "f16": 1e-2, "bf16": 4e-2}  # llama.cpp rounds activations; to 8 bits for quantised matrices
QUANTIZED_TOLERANCE = 8e-2
TYPES = gguf.GGMLQuantizationType


class File:
    """A small model of random weights; every test changes something in it."""

    def __init__(self, arch="llama"):
        random = np.random.default_rng(3)
        self.arch, self.dtype, self.alignment = arch, "f32", None
        self.keys = {"block_count": LAYERS, "context_length": 64, "embedding_length": HIDDEN,
                     "feed_forward_length": MLP, "attention.head_count": HEADS, "attention.head_count_kv": KV,
                     "attention.layer_norm_rms_epsilon": 1e-5, "vocab_size": VOCAB}
        self.extra = {}
        weight = lambda *shape: random.normal(0, 0.2, shape).astype(np.float32)  # noqa: E731
        self.tensors = {"token_embd.weight": weight(VOCAB, HIDDEN), "output_norm.weight": 1 + weight(HIDDEN),
                        "output.weight": weight(VOCAB, HIDDEN)}
        for i in range(LAYERS):
            for name, shape in {"attn_norm": (HIDDEN,), "attn_q": (HEADS * DIM, HIDDEN), "attn_k": (KV * DIM, HIDDEN),
                                "attn_v": (KV * DIM, HIDDEN), "attn_output": (HIDDEN, HEADS * DIM),
                                "ffn_norm": (HIDDEN,), "ffn_gate": (MLP, HIDDEN), "ffn_up": (MLP, HIDDEN),
                                "ffn_down": (HIDDEN, MLP)}.items():
                self.tensors[f"blk.{i}.{name}.weight"] = weight(*shape) + (1 if len(shape) == 1 else 0)

    def without(self, *keys):
        for key in keys:
            self.keys.pop(key, None)
            self.tensors.pop(key, None)
        return self

    def write(self, path):
        writer = gguf.GGUFWriter(path, self.arch)
        if self.alignment:
            writer.add_custom_alignment(self.alignment)
        for key, value in {**{f"{self.arch}.{k}": v for k, v in self.keys.items()}, **self.extra}.items():
            add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32, str: writer.add_string,
                   list: writer.add_array}[type(value)]
            add(key, value)
        writer.add_string("tokenizer.ggml.model", "none")
        for name, values in self.tensors.items():
            kind = getattr(TYPES, self.dtype.upper()) if values.ndim == 2 else TYPES.F32
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def changed(change, arch="llama"):
    file = File(arch)
    change(file)
    return file


def llama3_factors():
    return np.array([1.0] * 3 + [2.5] + [8.0] * 4, np.float32)


def exact_llama3():
    """The factors of Llama 3.1's own numbers for these heads, as the converter computes them."""
    factors = []
    for i in range(0, DIM, 2):
        wave = 2 * np.pi * 500000.0 ** (i / DIM)
        smooth = (8192 / wave - 1) / (4 - 1)
        factors.append(1.0 if wave < 8192 / 4 else 8.0 if wave > 8192 else 1 / ((1 - smooth) / 8 + smooth))
    return np.array(factors, np.float32)


def put(file, **what):
    file.keys.update({k.replace("__", "."): v for k, v in what.items()})


READ = {
    "plain": lambda f: None,
    "all optional keys": lambda f: put(f, rope__dimension_count=DIM, rope__freq_base=20000.0,
                                       attention__key_length=DIM, attention__value_length=DIM, expert_count=0,
                                       attention__causal=True, rope__scaling__type="none"),
    "head_dim by key_length": lambda f: (put(f, attention__key_length=DIM, attention__value_length=DIM,
                                             rope__dimension_count=DIM, attention__head_count=2,
                                             attention__head_count_kv=1),
                                         f.tensors.update({n: (t[:, :32] if "output.w" in n else t[:32] if "q.w" in n
                                                               else t[:16]) for n, t in f.tensors.items()
                                                           if "blk" in n and "attn" in n and "norm" not in n})),
    "no head_count_kv": lambda f: (f.without("attention.head_count_kv"),
                                   f.tensors.update({n: np.concatenate([t, 0.5 * t]) for n, t in f.tensors.items()
                                                     if "attn_k" in n or "attn_v" in n})),
    "tied output": lambda f: f.without("output.weight"),
    "rope_freqs of Llama 3.1": lambda f: (put(f, rope__freq_base=500000.0),
                                          f.tensors.update({"rope_freqs.weight": exact_llama3()})),
    "linear rope scaling": lambda f: put(f, rope__scaling__type="linear", rope__scaling__factor=4.0),
    "a factor without a type": lambda f: put(f, rope__scaling__factor=4.0),
    "scale_linear, the old name": lambda f: put(f, rope__scale_linear=4.0),
    "a factor that is off": lambda f: put(f, rope__scaling__type="none", rope__scaling__factor=4.0),
    "a type without a factor": lambda f: put(f, rope__scaling__type="linear"),
    "yarn": lambda f: put(f, rope__scaling__type="yarn", rope__scaling__factor=4.0,
                          rope__scaling__original_context_length=16),
    "yarn with its own numbers": lambda f: put(f, rope__scaling__type="yarn", rope__scaling__factor=4.0,
                                               rope__scaling__original_context_length=16,
                                               rope__scaling__attn_factor=0.8, rope__scaling__yarn_beta_fast=16.0,
                                               rope__scaling__yarn_beta_slow=2.0),
    # llama.cpp takes the long factors for a context beyond the original one, we for a text that is longer.
    "longrope": lambda f: (put(f, rope__scaling__type="longrope", rope__scaling__original_context_length=8,
                               rope__scaling__attn_factor=1.2),
                           f.tensors.update({"rope_factors_long.weight": llama3_factors(),
                                             "rope_factors_short.weight": np.ones(8, np.float32)})),
    "aligned to 256": lambda f: setattr(f, "alignment", 256),
    "biases on q, k, v": lambda f: f.tensors.update({f"blk.{i}.attn_{n}.bias": np.full(s * DIM, 0.3, np.float32)
                                                     for i in range(LAYERS) for n, s in (("q", HEADS), ("k", KV), ("v", KV))}),
    "f16": lambda f: setattr(f, "dtype", "f16"),
    "bf16": lambda f: setattr(f, "dtype", "bf16"),
    **{dtype: lambda f, dtype=dtype: setattr(f, "dtype", dtype)
       for dtype in ("q8_0", "q4_0", "q4_1", "q5_0", "q5_1", "mxfp4")},
}

REFUSED = {
    "TQ1_0": lambda f: (setattr(f, "dtype", "tq1_0"), f.tensors.update(
        {n: np.zeros((*t.shape[:-1], 256), np.float32) for n, t in f.tensors.items() if t.ndim == 2})),
    "'su'": lambda f: put(f, rope__scaling__type="su", rope__scaling__factor=4.0),
    "yarn_ext_factor": lambda f: put(f, rope__scaling__type="yarn", rope__scaling__factor=4.0,
                                     rope__scaling__yarn_ext_factor=0.5),
    "rope_factors_short.weight": lambda f: f.tensors.update({"rope_factors_long.weight": llama3_factors()}),
    "sliding_window": lambda f: put(f, attention__sliding_window=16),
    "logit_scale": lambda f: put(f, logit_scale=0.5),
    "are not Llama 3's": lambda f: f.tensors.update({"rope_freqs.weight": llama3_factors()}),
    "8 of 16 dimensions": lambda f: put(f, rope__dimension_count=8),
    "a mixture of 4 experts": lambda f: put(f, expert_count=4, expert_used_count=2),
    "'gemma'": lambda f: setattr(f, "arch", "gemma"),
    "attention is not causal": lambda f: put(f, attention__causal=False),
    "values of 32": lambda f: put(f, attention__value_length=32),
    "attn_factor": lambda f: put(f, rope__scaling__attn_factor=1.5),
    "missing: model.layers.1.mlp.up_proj.weight": lambda f: f.without("blk.1.ffn_up.weight"),
    "files that a model was split into": lambda f: f.extra.update({"split.count": 2, "split.no": 0, "split.tensors.count": len(f.tensors) + 1}),
}


def check_values(path):
    """What we take from the file is what the package `gguf` takes, to the bit; of blocks, in 16 bits."""
    ours = mop.load(path).tensor("model.layers.1.mlp.down_proj.weight")
    stored = next(t for t in gguf.GGUFReader(path).tensors if t.name == "blk.1.ffn_down.weight")
    theirs = torch.tensor(gguf.quants.dequantize(stored.data, stored.tensor_type).reshape(ours.shape))
    if stored.tensor_type not in (TYPES.F32, TYPES.F16, TYPES.BF16):
        assert ours.dtype == (torch.bfloat16 if stored.tensor_type == TYPES.MXFP4 else torch.float16)
    assert torch.equal(ours.float(), theirs.to(ours.dtype).float())


def check_foreign(work):
    path = work / "foreign.gguf"
    ids = [3, 70, 5, 5, 41, 9, 12, 77, 0, 30, 31, 32]
    for name, change in READ.items():
        file = changed(change)
        file.write(path)
        check_values(path)
        model = LlamaCpp(path, 64)
        worst = difference(mop.load(path).logits(torch.tensor(ids)).numpy(), model.logits(ids))
        model.close()
        print(f"  {name}: max|a-b|/max|b| = {worst:.1e}")
        assert worst <= TOLERANCE.get(file.dtype, QUANTIZED_TOLERANCE), f"{name} is read differently"
    golden = pathlib.Path("tests/golden/gguf/quantized.gguf")  # K-quants and others, by llama.cpp's own quantiser
    model = LlamaCpp(golden, 64)
    ids = [token % model.vocab_size for token in ids]
    worst = difference(mop.load(golden).logits(torch.tensor(ids)).numpy(), model.logits(ids))
    model.close()
    print(f"  {golden.name}: max|a-b|/max|b| = {worst:.1e}")
    assert worst <= QUANTIZED_TOLERANCE
    for reason, change in REFUSED.items():
        changed(change).write(path)
        try:
            mop.load(path).logits(torch.tensor(ids))
        except mop.BadInputError as error:
            assert reason in str(error), f"refused for another reason than {reason}: {error}"
        else:
            raise AssertionError(f"not refused: {reason}")
    print(f"  {len(REFUSED)} others refused by name")


def with_tokenizer(source, work):
    """A model folder of random weights with exactly the tokens of a tokenizer."""
    folder = work / f"tokenizer-{source.name}"
    folder.mkdir()
    names = [source] if source.is_file() else source.iterdir()
    for file in names:
        name = "tokenizer.model" if file.suffix == ".model" else file.name
        (folder / name).write_bytes(file.read_bytes())
    size = 1 + max(max(ids) for ids in json.loads(mop_program("tokenize", folder, "--text", work / "all.txt", "--json",
                                                              "--special"))["lines"] if ids)
    if (folder / "tokenizer.json").exists():
        tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
        size = 1 + max([*tokenizer["model"]["vocab"].values(), *(t["id"] for t in tokenizer["added_tokens"])])
    elif source.name.startswith("llama3"):
        size = 128256
    config = {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_act": "silu", "vocab_size": size,
              "hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1,
              "num_key_value_heads": 1, "max_position_embeddings": 64, "rms_norm_eps": 1e-5,
              "tie_word_embeddings": True, "torch_dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(config))
    shapes = {"model.embed_tokens.weight": (size, 8), "model.norm.weight": (8,)}
    for name in ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.o_proj", "mlp.gate_proj",
                 "mlp.up_proj", "mlp.down_proj"):
        shapes[f"model.layers.0.{name}.weight"] = (8, 8)
    for name in ("input_layernorm", "post_attention_layernorm"):
        shapes[f"model.layers.0.{name}.weight"] = (8,)
    from safetensors.numpy import save_file
    save_file({name: np.full(shape, 0.1, np.float32) for name, shape in shapes.items()}, folder / "model.safetensors")
    return folder


def mop_program(*arguments):
    ran = subprocess.run(["./mop", *map(str, arguments)], capture_output=True, text=True)
    assert ran.returncode == 0, f"mop {' '.join(map(str, arguments))}: {ran.stderr}"
    return ran.stdout


def check_tokenizer(source, texts, work):
    (work / "all.txt").write_text("\n".join(text for text in texts if "\0" not in text) + "\n")
    folder = with_tokenizer(source, work)
    file = work / f"{source.name}.gguf"
    notes = json.loads(mop_program("export", folder, "--format", "gguf", "--out", file, "--json"))["notes"]
    composed = any("NFC" in note for note in notes)
    model, tokenizer, again = LlamaCpp(file, 64), mop.load(folder).tokenizer, mop.load(file).tokenizer
    apart = 0
    for text in texts:
        for special in (False, True):
            ours, theirs = tokenizer.encode(text, special=special), model.tokenize(text, special)
            if composed and not is_composed(text):
                apart += ours != theirs
                continue
            assert ours == theirs, f"{source.name}: {text!r} is {ours}, in llama.cpp {theirs}; notes {notes}"
            assert again.encode(text, special=special) == theirs, f"{source.name}: {text!r} read back differs"
    model.close()
    print(f"  tokenizer {source.name}: ids of {len(texts)} texts equal" +
          (f" but {apart} that NFC changes, as the note says" if composed else ""))


def is_composed(text):
    import unicodedata
    return unicodedata.normalize("NFC", text) == text


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tokenizers", nargs="*", type=pathlib.Path)
    parser.add_argument("--work", type=pathlib.Path, required=True)
    args = parser.parse_args()
    check_foreign(args.work)
    texts = [json.loads(line)["text"] for line in open("tests/golden/tokenizers/nasty.jsonl", encoding="utf-8")]
    for source in args.tokenizers:
        check_tokenizer(source, texts, args.work)


if __name__ == "__main__":
    main()
