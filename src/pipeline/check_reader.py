"""Loads a checkpoint with an outside reader and compares what it computes with what mop computed.

Started by `mop check` with a job file: {reader, model, adapter, code, dtype, ids, vocab, eos, new_tokens, logits}, where
`logits` is a file of float32. Prints one line of JSON: {version, difference, greedy, tokens_per_second}, or {version,
error}, or {missing} when the reader is not installed.
"""

import importlib
import json
import sys
import time


def load_transformers(job):
    import torch
    import transformers

    transformers.utils.logging.disable_progress_bar()
    recent = tuple(int(part) for part in transformers.__version__.split(".")[:2]) >= (4, 56)
    dtype = {"dtype" if recent else "torch_dtype": getattr(torch, job["dtype"])}
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        job["model"], **dtype, output_loading_info=True, trust_remote_code=job["code"])
    problems = {kind: sorted(map(str, info[kind])) for kind in ("missing_keys", "unexpected_keys", "mismatched_keys")
                if info[kind]}
    if problems:
        raise ValueError(f"tensors do not fit: {problems}")
    return model.eval()


def load_peft(job):
    import peft

    return peft.PeftModel.from_pretrained(load_transformers(job), job["adapter"]).eval()


LOADERS = {"transformers": load_transformers, "peft": load_peft}


def compare(job, model):
    import torch

    ids = torch.tensor([job["ids"]])
    with open(job["logits"], "rb") as file:
        ours = torch.frombuffer(bytearray(file.read()), dtype=torch.float32).view(len(job["ids"]), job["vocab"])
    with torch.no_grad():
        theirs = model(ids).logits[0].float()
        difference = ((ours - theirs).abs().max() / theirs.abs().max()).item()
        start = time.perf_counter()
        greedy = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=job["new_tokens"],
                                do_sample=False, num_beams=1, eos_token_id=job["eos"] or None, pad_token_id=0)
        seconds = time.perf_counter() - start
    new = greedy[0, ids.shape[1]:].tolist()
    return {"difference": difference, "greedy": new, "tokens_per_second": len(new) / seconds}


def run(job):
    reader = job["reader"]
    try:
        version = importlib.import_module(reader).__version__
    except ModuleNotFoundError as error:
        return {"missing": str(error)}
    try:
        return {"version": version, **compare(job, LOADERS[reader](job))}
    except Exception as error:  # whatever a reader does is a row of the table
        return {"version": version, "error": f"{type(error).__name__}: {error}"}


if __name__ == "__main__":
    with open(sys.argv[1]) as job_file:
        print(json.dumps(run(json.load(job_file))))
