"""The real model's folder, which mop made of its GGUF, against transformers and the package `gguf`: every weight is the
file's, dequantised and rounded to float16; the tokenizer gives llama.cpp's ids in transformers and in mop."""

import argparse
import json
import pathlib
import subprocess

import gguf
import numpy as np
import safetensors
import torch
import transformers
from llama_cpp import LlamaCpp


def separate(rows, heads):
    """Rows of q and k from neighbouring pairs, as llama.cpp keeps them, to halves of a head."""
    return rows.reshape(heads, -1, 2, rows.shape[-1]).swapaxes(1, 2).reshape(rows.shape)


def check_weights(file, folder):
    config = json.loads((folder / "config.json").read_text())
    heads = {"attn_q": config["num_attention_heads"], "attn_k": config["num_key_value_heads"]}
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config["num_hidden_layers"])
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    with safetensors.safe_open(folder / "model.safetensors", "np") as tensors:
        for name in tensors.keys():
            ours = tensors.get_tensor(name)
            tensor = stored.pop(names.get_name(name, try_suffixes=(".weight",)))
            theirs = gguf.quants.dequantize(tensor.data, tensor.tensor_type).reshape(ours.shape)
            kind = tensor.name.split(".")[-2]
            theirs = separate(theirs, heads[kind]) if kind in heads else theirs
            assert np.array_equal(ours, theirs.astype(ours.dtype)), f"{name} differs"
            assert ours.dtype == (np.float16 if ours.ndim > 1 else np.float32), f"{name} is {ours.dtype}"
    assert not stored, f"not in the folder: {list(stored)}"


def check_tokenizer(file, folder, texts, work):
    theirs = transformers.AutoTokenizer.from_pretrained(folder)
    reader = LlamaCpp(file, 64)
    lines = work / "lines.txt"
    for text in texts:
        ids = theirs.encode(text, add_special_tokens=False)
        assert ids == reader.tokenize(text, False), f"{text!r}: transformers {ids}, llama.cpp {reader.tokenize(text, False)}"
        assert theirs.encode(text) == reader.tokenize(text, True), f"{text!r} gets other special tokens"
    plain = [text for text in texts if text.strip() and "\n" not in text and "\r" not in text]
    lines.write_text("\n".join(plain) + "\n")
    ran = subprocess.run(["./mop", "tokenize", folder, "--text", lines, "--json"], capture_output=True, text=True, check=True)
    assert json.loads(ran.stdout)["lines"] == [theirs.encode(text, add_special_tokens=False) for text in plain]
    reader.close()


def check_chat(folder):
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    turns = [{"role": "user", "content": "What is the capital of France?"}]
    text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
    assert text.endswith("<|im_start|>assistant\n") and "capital of France" in text, text
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = torch.tensor([tokenizer.encode(text, add_special_tokens=False)])
    said = tokenizer.decode(model.generate(ids, max_new_tokens=16, do_sample=False)[0, ids.shape[1]:])
    assert "Paris" in said, f"a model that knows its language says so: {said!r}"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("gguf", "folder", "work"):
        parser.add_argument("--" + name, type=pathlib.Path, required=True)
    args = parser.parse_args()
    texts = [json.loads(line)["text"] for line in open("tests/golden/tokenizers/nasty.jsonl", encoding="utf-8")]
    check_weights(args.gguf, args.folder)
    check_tokenizer(args.gguf, args.folder, texts, args.work)
    check_chat(args.folder)
    print(f"transformers {transformers.__version__}: weights, ids of {len(texts)} texts and a chat are right")


if __name__ == "__main__":
    main()
