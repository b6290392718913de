#!/usr/bin/env python3
"""LoRA recovery: tokens per second and memory of `mop recover` against peft and transformers, in turn.

  bench/recover_speed.py [--models SMALL LARGE] [--repeat 3] [--steps 3]

Runs with the reference environment's Python. Both train the paper's LoRA (rank 32, all seven projections, dropout 0.05,
micro-batch 1, 16 of them a step) on the same texts, cut to --max-tokens. The reference is a bare loop around peft, without
the Trainer's own overhead; what it tokenises and loads is not counted, nor is the first step of either. The small model
computes in float32, the large one in bfloat16. Prints JSON; `ratio` should be at least 1.5 and `memory_ratio` at most 1.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

import measure

ROOT = pathlib.Path(__file__).resolve().parent.parent
SMALL = ROOT / "assets/tinystories-12l"
LARGE = pathlib.Path("runs/bench/llama-1.1b")
STORIES = ROOT / "assets/text/generated-calibration.txt"
ACCUMULATE = 16


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mop", default=ROOT / "build/src/mop")
    parser.add_argument("--models", nargs="+", type=pathlib.Path, default=[SMALL, LARGE])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3, help="counted steps of 16 samples")
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--reference", nargs=3, metavar=("MODEL", "DTYPE", "TEXT"), help=argparse.SUPPRESS)
    return parser.parse_args()


def write_texts(path, samples):
    """Stories joined until none is shorter than the cut."""
    stories = STORIES.read_text().splitlines()
    lines = [" ".join(stories[(5 * i + k) % len(stories)] for k in range(5)) for i in range(samples)]
    path.write_text("\n".join(lines) + "\n")


def reference(args):
    import peft
    import torch
    import transformers

    folder, dtype, text = args.reference
    torch.set_num_threads(args.threads)
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, dtype))
    model = peft.get_peft_model(model, peft.LoraConfig(
        r=32, lora_alpha=10, lora_dropout=0.05, task_type="CAUSAL_LM",
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]))
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    texts = pathlib.Path(text).read_text().splitlines()
    samples = [torch.tensor([tokenizer(t)["input_ids"][: args.max_tokens]]) for t in texts]
    trained = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=3e-4, weight_decay=0.0)
    model.train()
    speeds = []
    for step in range(args.steps + 1):
        start, tokens = time.perf_counter(), 0
        for ids in samples[step * ACCUMULATE : (step + 1) * ACCUMULATE]:
            (model(input_ids=ids, labels=ids).loss / ACCUMULATE).backward()
            tokens += ids.numel()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        speeds.append((tokens, time.perf_counter() - start))
    print(json.dumps(speed(speeds)))


def speed(steps):
    return sum(tokens for tokens, _ in steps[1:]) / sum(seconds for _, seconds in steps[1:])


def run(command):
    """Its stdout and the most memory it held, the mapped files' pages included."""
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    most = {"anonymous": 0, "resident": 0}
    status = pathlib.Path(f"/proc/{process.pid}/status")
    while process.poll() is None:
        try:
            fields = dict(line.split(":", 1) for line in status.read_text().splitlines())
            for name, key in (("anonymous", "RssAnon"), ("resident", "VmRSS")):
                most[name] = max(most[name], int(fields.get(key, "0 kB").split()[0]) * 1024)
        except OSError:
            pass
        time.sleep(0.05)
    out, err = process.communicate()
    if process.returncode != 0:
        sys.exit(f"{command}\n{err}")
    return out, most


def run_mop(args, model, dtype, text, folder):
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    samples = (args.steps + 1) * ACCUMULATE
    command = [args.mop, "recover", model, "--data", text, "--out", out, "--epochs", 1, "--dtype", dtype, "--threads",
               args.threads, "--max-tokens", args.max_tokens, "--set", "validation.samples=0", "--json"]
    _, memory = run(command)
    lines = [json.loads(line) for line in (out / "run/metrics.jsonl").read_text().splitlines()]
    assert len(lines) == samples // ACCUMULATE, lines
    return speed([(line["tokens"], line["timing"]["seconds"]) for line in lines]), memory


def compare(args, model, folder):
    dtype = "bfloat16" if model.resolve() != SMALL.resolve() else "float32"
    text = folder / "texts.txt"
    write_texts(text, (args.steps + 1) * ACCUMULATE)
    ours, theirs, memory = [], [], {}
    for _ in range(args.repeat):
        measure.wait_until_quiet(0.1, patience=60)
        rate, memory["mop"] = run_mop(args, model, dtype, text, folder)
        ours.append(rate)
        out, memory["peft"] = run([sys.executable, __file__, "--threads", args.threads, "--steps", args.steps,
                                   "--max-tokens", args.max_tokens, "--reference", model, dtype, text])
        theirs.append(json.loads(out.splitlines()[-1]))
        print(f"{model.name}: mop {ours[-1]:.0f}, peft {theirs[-1]:.0f} tokens/s", file=sys.stderr)
    return {"model": model.name, "dtype": dtype, "mop_tokens_per_second": ours, "peft_tokens_per_second": theirs,
            "ratio": max(ours) / max(theirs), "memory": memory,
            "memory_ratio": memory["mop"]["resident"] / memory["peft"]["resident"]}


def main():
    args = parse()
    if args.reference:
        return reference(args)
    with tempfile.TemporaryDirectory() as folder:
        results = [compare(args, model, pathlib.Path(folder)) for model in args.models]
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
