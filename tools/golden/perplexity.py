#!/usr/bin/env python3
"""Perplexities of the real models by transformers in float32 -> tests/golden/perplexity.json.

The protocols are written out here a second time, from their description. Only numbers are kept: the texts
stay where they are. `lines` and `bytes` say how much of the text a case uses, from its beginning.
"""
import argparse
import hashlib
import json
import math
import pathlib

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]

CASES = [
    # model, text, unit of the cut, size of the cut (0 = all), protocol
    ("assets/tinystories-12l", "assets/text/generated-evaluation.txt", "lines", 0, "lines"),
    ("assets/tinystories-12l", "assets/text/generated-evaluation.txt", "bytes", 0, "windows:128"),
    ("data/models/tinystories-12l", "data/text/tinystories-valid.txt", "lines", 0, "lines"),
    ("data/models/stories260k", "data/text/tinystories-v2-valid.txt", "lines", 0, "lines"),
    ("data/models/tinystories-12l", "data/text/wikitext2-test.txt", "bytes", 150000, "windows:128"),
    ("data/models/tinystories-12l", "data/text/wikitext2-test.txt", "bytes", 150000, "windows:256"),
    ("data/models/stories260k", "data/text/wikitext2-valid.txt", "bytes", 150000, "windows:128"),
    ("data/models/stories260k", "data/text/wikitext2-valid.txt", "bytes", 150000, "windows:256"),
]


def resolve(path, data):
    head, _, rest = path.partition("/")
    return data / rest if head == "data" else ROOT / path


def cut(raw, unit, size):
    """The part of the file's bytes that a case uses."""
    if not size:
        return raw
    if unit == "lines":
        return b"".join(raw.splitlines(keepends=True)[:size])
    return raw[: raw.rindex(b"\n", 0, size) + 1]


@torch.no_grad()
def nlls(model, ids):
    """-log p of ids[:, 1:], [batch, length - 1]."""
    logits = model(torch.tensor(ids)).logits.float()
    log_p = torch.log_softmax(logits[:, :-1], dim=-1)
    return -log_p.gather(2, torch.tensor(ids)[:, 1:, None])[..., 0].double()


def score_lines(model, tokenizer, text):
    total, tokens, documents = 0.0, 0, 0
    context = model.config.max_position_embeddings
    for line in text.split("\n"):
        if not line.strip():
            continue
        ids = [tokenizer.bos_token_id] + tokenizer(line, add_special_tokens=False)["input_ids"]
        ids = ids[:context]
        total += nlls(model, [ids]).sum().item()
        tokens += len(ids) - 1
        documents += 1
    return total / tokens, tokens, documents


def score_windows(model, tokenizer, text, length):
    ids = tokenizer(text)["input_ids"]
    windows = [ids[i : i + length] for i in range(0, len(ids) - length + 1, length)]
    means = []
    for i in range(0, len(windows), 32):
        means += nlls(model, windows[i : i + 32]).mean(dim=1).tolist()
    return sum(means) / len(means), len(means) * (length - 1), len(means)


def run_case(case, data):
    model_path, text_path, unit, size, protocol = case
    folder = resolve(model_path, data)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    raw = cut(resolve(text_path, data).read_bytes(), unit, size)
    text = raw.decode()
    name, _, argument = protocol.partition(":")
    if name == "lines":
        nll, tokens, documents = score_lines(model, tokenizer, text)
    else:
        nll, tokens, documents = score_windows(model, tokenizer, text, int(argument))
    return {
        "model": model_path,
        "text": text_path,
        unit: size,
        "protocol": protocol,
        "nll": nll,
        "perplexity": math.exp(nll),
        "scored_tokens": tokens,
        "documents": documents,
        "text_sha256": hashlib.sha256(raw).hexdigest(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared" / "data")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests" / "golden" / "perplexity.json")
    args = parser.parse_args()
    torch.set_num_threads(2)
    cases = []
    for case in CASES:
        cases.append(run_case(case, args.data))
        print(cases[-1], flush=True)
    args.out.write_text(json.dumps({"dtype": "float32", "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
