#!/usr/bin/env python3
"""tests/golden/training/expected.json: Alpaca records as token ids and labels, tokenised by transformers 4's slow
LlamaTokenizer the way the released recovery scripts do it: prompt and response apart, each cut, then EOS, the whole cut.
Records: our own (tests/golden/training/alpaca.jsonl, ids kept), and those of the shared data (a hash of all ids)."""

import hashlib
import json
import os
import pathlib
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = ROOT / "tests/golden/training"
DATA = pathlib.Path(os.environ.get("MOP_TEST_DATA", ROOT.parent / "shared/data"))
NO_LOSS = -100
HEAD = "Below is an instruction that describes a task"
TASK = "Write a response that appropriately completes the request.\n\n### Instruction:\n"


def prompt_of(record):
    if record.get("input"):
        return (f"{HEAD}, paired with an input that provides further context. {TASK}{record['instruction']}"
                f"\n\n### Input:\n{record['input']}\n\n### Response:\n")
    return f"{HEAD}. {TASK}{record['instruction']}\n\n### Response:\n"


def sample_of(tokenizer, record, form, longest):
    def encode(text, special):
        return tokenizer(text, truncation=True, max_length=longest, add_special_tokens=special)["input_ids"]

    prompt = encode(prompt_of(record), True)
    answer = encode(record["output"], form == "alpaca-released") + [tokenizer.eos_token_id]
    return {"ids": (prompt + answer)[:longest], "labels": ([NO_LOSS] * len(prompt) + answer)[:longest]}


def hash_of(samples):
    digest = hashlib.sha256()
    for sample in samples:
        for part in (sample["ids"], sample["labels"]):
            digest.update(struct.pack(f"<{len(part) + 1}q", len(part), *part))
    return digest.hexdigest()


def main():
    import transformers
    from transformers import AutoTokenizer, LlamaTokenizer

    if int(transformers.__version__.split(".")[0]) >= 5:  # it rewrites SentencePiece models and reads them otherwise
        sys.exit(subprocess.call([ROOT / ".env/reference4/bin/python", __file__]))

    demo = AutoTokenizer.from_pretrained(ROOT / "assets/tinystories-12l", use_fast=False)
    own = [json.loads(line) for line in (HOME / "alpaca.jsonl").read_text().splitlines()]
    golden = {"made_by": "tools/golden/training_ids.py", "own": [], "data": []}
    for form in ("alpaca", "alpaca-released"):
        for longest in (512, 90):
            samples = [sample_of(demo, record, form, longest) for record in own]
            golden["own"].append({"form": form, "max_tokens": longest, "samples": samples})
    if (DATA / "text/alpaca-999.json").exists():
        records = json.loads((DATA / "text/alpaca-999.json").read_text())
        llama2 = LlamaTokenizer(str(DATA / "tokenizers/llama2.model"), legacy=True)
        for name, tokenizer in (("llama2", llama2), ("demo", demo)):
            for form in ("alpaca", "alpaca-released"):
                samples = [sample_of(tokenizer, record, form, 512) for record in records]
                golden["data"].append({"tokenizer": name, "form": form, "max_tokens": 512, "records": len(samples),
                                       "tokens": sum(len(s["ids"]) for s in samples), "sha256": hash_of(samples)})
    (HOME / "expected.json").write_text(json.dumps(golden) + "\n")


if __name__ == "__main__":
    main()
