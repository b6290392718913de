#!/usr/bin/env python3
"""Two models on the same tokens by transformers in float32 -> tests/golden/side_by_side.json.

The embedded model against itself without some of its layers: KL(dense || model) per scored token, how often both find
the same token most likely, and both perplexities. The same file holds windows:4096, which needs a model of a longer
context: the embedded one with its config's max_position_embeddings raised.
"""
import argparse
import json
import pathlib

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
MODEL = "assets/tinystories-12l"
TEXT = "assets/text/generated-evaluation.txt"
LONG_BYTES = 36000


def line_sequences(tokenizer, text, lines, context):
    rows = [line for line in text.split("\n") if line.strip()][:lines]
    return [([tokenizer.bos_token_id] + tokenizer(row, add_special_tokens=False)["input_ids"])[:context] for row in rows]


def window_sequences(tokenizer, text, length):
    ids = tokenizer(text)["input_ids"]
    return [ids[i : i + length] for i in range(0, len(ids) - length + 1, length)]


def without_layers(model, dropped):
    kept = [layer for i, layer in enumerate(model.model.layers) if i not in dropped]
    for number, layer in enumerate(kept):
        layer.self_attn.layer_idx = number
    model.model.layers = torch.nn.ModuleList(kept)
    model.config.num_hidden_layers = len(kept)
    return model


@torch.no_grad()
def compare(dense, model, sequences):
    kl = nll = dense_nll = 0.0
    agreed = tokens = 0
    for ids in sequences:
        ids = torch.tensor([ids])
        p = torch.log_softmax(dense(ids).logits[0, :-1].double(), dim=-1)
        q = torch.log_softmax(model(ids).logits[0, :-1].double(), dim=-1)
        kl += (p.exp() * (p - q)).sum().item()
        agreed += (p.argmax(-1) == q.argmax(-1)).sum().item()
        nll -= q.gather(1, ids[0, 1:, None]).sum().item()
        dense_nll -= p.gather(1, ids[0, 1:, None]).sum().item()
        tokens += ids.shape[1] - 1
    return {"kl": kl / tokens, "agreement": agreed / tokens, "nll": nll / tokens, "dense_nll": dense_nll / tokens,
            "scored_tokens": tokens}


def load(context=None):
    model = AutoModelForCausalLM.from_pretrained(ROOT / MODEL, dtype=torch.float32).eval()
    if context:
        model.config.max_position_embeddings = context
    return model


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests/golden/side_by_side.json")
    args = parser.parse_args()
    torch.set_num_threads(1)
    tokenizer = AutoTokenizer.from_pretrained(ROOT / MODEL)
    text = (ROOT / TEXT).read_text()
    dense = load()
    cases = []
    part = text[: text.rindex("\n", 0, LONG_BYTES) + 1]
    for protocol, dropped, lines in (("lines", [5, 9], 60), ("windows:128", [1, 6, 7, 9], 0)):
        model = without_layers(load(), dropped)
        context = model.config.max_position_embeddings
        if protocol == "lines":
            sequences = line_sequences(tokenizer, text, lines, context)
        else:
            sequences = window_sequences(tokenizer, part, int(protocol.partition(":")[2]))
        size = {"lines": lines} if lines else {"bytes": LONG_BYTES}
        cases.append({"protocol": protocol, "dropped": dropped, **size, **compare(dense, model, sequences)})
        print(cases[-1], flush=True)
    long = load(4096)
    result = compare(long, long, window_sequences(tokenizer, part, 4096))
    cases.append({"protocol": "windows:4096", "dropped": [], "bytes": LONG_BYTES, "context": 4096, **result})
    print(cases[-1], flush=True)
    args.out.write_text(json.dumps({"model": MODEL, "text": TEXT, "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
