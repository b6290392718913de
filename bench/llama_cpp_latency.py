#!/usr/bin/env python3
"""Measures llama.cpp's time to the first token and per token for one GGUF file, through the binding that the tests
use (float32 KV cache, no flash attention). Prints {first_token_seconds, token_seconds} with median, minimum and
maximum, as `mop bench` does. bench/latency.py calls this with a Python that has the package xllamacpp."""
import argparse
import json
import os
import pathlib
import random
import statistics
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tests" / "readers"))
import llama_cpp  # noqa: E402


class LastLogits(llama_cpp.LlamaCpp):
    """Requests the logits of the last token only, as generation does."""

    def most_likely(self, ids, start):
        batch = self.lib.llama_batch_init(len(ids), 0, 1)
        batch.n_tokens = len(ids)
        for i, token in enumerate(ids):
            batch.token[i], batch.pos[i], batch.n_seq_id[i] = token, start + i, 1
            batch.logits[i] = i == len(ids) - 1
            batch.seq_id[i][0] = 0
        if self.lib.llama_decode(self.context, batch) != 0:
            sys.exit("llama_decode failed")
        row = self.lib.llama_get_logits_ith(self.context, len(ids) - 1)
        best = llama_cpp.np.ctypeslib.as_array(row, (self.vocab_size,)).argmax()
        self.lib.llama_batch_free(batch)
        return int(best)


def request(model, prompt, new_tokens):
    """Returns (seconds to the first token, seconds per token after it)."""
    model.clear()
    start = time.perf_counter()
    token = model.most_likely(prompt, 0)
    first = time.perf_counter() - start
    for step in range(1, new_tokens):
        token = model.most_likely([token], len(prompt) + step - 1)
    return first, (time.perf_counter() - start - first) / max(1, new_tokens - 1)


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("gguf", type=pathlib.Path)
    parser.add_argument("--prompt", type=int, default=12)
    parser.add_argument("--generate", type=int, default=128)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    args = parser.parse_args()
    model = LastLogits(args.gguf, context=args.prompt + args.generate + 8, threads=args.threads)
    prompt = random.Random(0).choices(range(model.vocab_size), k=args.prompt)
    times = [request(model, prompt, args.generate) for _ in range(args.repeat + 1)][1:]
    print(json.dumps({"first_token_seconds": spread([t[0] for t in times]),
                      "token_seconds": spread([t[1] for t in times])}))


if __name__ == "__main__":
    main()
