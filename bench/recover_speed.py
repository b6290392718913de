#!/usr/bin/env python3
"""LoRA recovery: tokens per second and memory of `mop recover` against peft and transformers, measured alternately.

    bench/recover_speed.py [--models SMALL LARGE] [--repeat 3] [--steps 3] [--json]

Runs with the reference environment's Python; `./run bench passes llama-1.1b` makes the large model. Both train the
paper's LoRA (rank 32, all seven projections, dropout 0.05, micro-batch 1, 16 per step) on the same texts, truncated
to --max-tokens. The reference is a bare loop around peft, without the Trainer's overhead. Its tokenisation and
loading are not counted, nor is the first step of either. The small model computes in float32, others in bfloat16.
Prints a Markdown table: the speed ratio should be at least 1.5, the memory ratio at most 1. Every finished pair is a
line of OUT and is not measured again with the same program.
"""
import argparse
import json
import pathlib
import shutil
import statistics
import sys
import tempfile
import time

import measure

ROOT = pathlib.Path(__file__).resolve().parent.parent
SMALL = ROOT / "assets/tinystories-12l"
LARGE = ROOT / "runs/bench/llama-1.1b"
STORIES = ROOT / "assets/text/generated-calibration.txt"
ACCUMULATE = 16


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mop", type=pathlib.Path, default=ROOT / "build/src/mop")
    parser.add_argument("--models", nargs="+", type=pathlib.Path, default=[SMALL, LARGE])
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3, help="measured steps of 16 samples")
    parser.add_argument("--max-tokens", type=int, default=512)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--patience", type=int, default=60, help="seconds to wait for a quiet machine each time")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "runs/bench/recover-speed.jsonl")
    parser.add_argument("--fresh", action="store_true", help="measure everything again")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--reference", nargs=3, metavar=("MODEL", "DTYPE", "TEXT"), help=argparse.SUPPRESS)
    return parser.parse_args()


def write_texts(path, samples):
    """Writes samples of concatenated stories, each at least as long as the cut."""
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


def run_mop(args, model, dtype, text, folder):
    out = folder / "out"
    shutil.rmtree(out, ignore_errors=True)
    command = [args.mop, "recover", model, "--data", text, "--out", out, "--epochs", 1, "--dtype", dtype, "--threads",
               args.threads, "--max-tokens", args.max_tokens, "--set", "validation.samples=0", "--json"]
    ran = measure.run([str(part) for part in command])
    lines = [json.loads(line) for line in (out / "run/metrics.jsonl").read_text().splitlines()]
    shutil.rmtree(out)
    assert len(lines) == args.steps + 1, lines
    return figures(speed([(line["tokens"], line["timing"]["seconds"]) for line in lines]), ran)


def run_peft(args, model, dtype, text):
    command = [sys.executable, __file__, "--threads", args.threads, "--steps", args.steps, "--max-tokens", args.max_tokens,
               "--reference", model, dtype, text]
    ran = measure.run([str(part) for part in command])
    return figures(json.loads(ran["out"].splitlines()[-1]), ran)


def figures(tokens_per_second, ran):
    return {"tokens_per_second": tokens_per_second, "resident": ran["peak_resident_bytes"],
            "anonymous": ran["peak_anonymous_bytes"]}


def measure_pair(args, model, dtype, folder):
    text = folder / "texts.txt"
    write_texts(text, (args.steps + 1) * ACCUMULATE)
    measure.wait_until_quiet(0.1, args.patience)
    ours = run_mop(args, model, dtype, text, folder)
    return {"mop": ours, "peft": run_peft(args, model, dtype, text)}


def compare(args, cells, model, folder):
    dtype = "bfloat16" if model.resolve() != SMALL.resolve() else "float32"
    pairs = []
    for number in range(args.repeat):
        key = [model.name, dtype, args.steps, args.max_tokens, args.threads, measure.stamp(args.mop), number]
        pairs.append(cells.get(key, lambda: measure_pair(args, model, dtype, folder)))
        mop, peft = (pairs[-1][side]["tokens_per_second"] for side in ("mop", "peft"))
        print(f"{model.name}, {number + 1} of {args.repeat}: mop {mop:.0f}, peft {peft:.0f} tokens/s", file=sys.stderr)
    result = {"model": model.name, "dtype": dtype}
    for side in ("mop", "peft"):
        for what in ("tokens_per_second", "resident", "anonymous"):
            result[f"{side}_{what}"] = [pair[side][what] for pair in pairs]
    result["ratio"] = median(result["mop_tokens_per_second"]) / median(result["peft_tokens_per_second"])
    result["memory_ratio"] = median(result["mop_resident"]) / median(result["peft_resident"])
    return result


def median(values):
    return statistics.median(values)


def rate(values):
    return f"{median(values):.0f} ({min(values):.0f} to {max(values):.0f})"


def memory(result, side):
    resident, anonymous = (median(result[f"{side}_{what}"]) / 2**30 for what in ("resident", "anonymous"))
    return f"{resident:.2f} ({anonymous:.2f})"


def table(args, results):
    lines = [f"LoRA, rank 32, samples of {args.max_tokens} tokens, {args.threads} threads: median of {args.repeat} "
             "(smallest to largest); memory is the peak in GiB, mapped files included (without).", "",
             "| model | dtype | mop, tokens/s | peft, tokens/s | ratio | mop, memory | peft, memory | ratio |",
             "|---|---|---|---|---|---|---|---|"]
    for r in results:
        lines.append(f"| {r['model']} | {r['dtype']} | {rate(r['mop_tokens_per_second'])} | "
                     f"{rate(r['peft_tokens_per_second'])} | {r['ratio']:.2f} | {memory(r, 'mop')} | {memory(r, 'peft')} | "
                     f"{r['memory_ratio']:.2f} |")
    return "\n".join(lines)


def check(args):
    for model in args.models:
        if not (model / "config.json").exists():
            sys.exit(f"error: no checkpoint at {model}; `./run bench passes llama-1.1b` makes the large one")
    try:
        import peft  # noqa: F401
    except ImportError:
        sys.exit(f"error: {sys.executable} has no peft; run this with .env/reference/bin/python (./run setup --reference)")


def main():
    args = parse()
    if args.reference:
        return reference(args)
    check(args)
    cells, results = measure.Cells(args.out, args.fresh), []
    with tempfile.TemporaryDirectory() as folder:
        for model in args.models:
            results.append(compare(args, cells, model, pathlib.Path(folder)))
    print(json.dumps(results, indent=1) if args.json else table(args, results))
    return None


if __name__ == "__main__":
    main()
