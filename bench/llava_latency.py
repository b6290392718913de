#!/usr/bin/env python3
"""Measures how pruning the language model of a LLaVA reduces latency: prompts with a picture, decoding, and the time
of the tower.

Prunes a random LLaVA-1.5-7B (`./run bench llava` makes it; times do not depend on the values) by the path LG and runs
`mop bench` on each model alone, since two do not fit into the memory of a small machine. Prints a Markdown report and
writes it to bench/runs/. Every finished measurement is a line of MODELS/llava-latency-cells.jsonl. An interrupted run
continues from there when it is started again with the same program and flags.
"""
import argparse
import datetime
import json
import os
import pathlib
import shutil
import sys

import latency
import measure

ROOT = pathlib.Path(__file__).resolve().parents[1]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shape", nargs="?", default="llava-7b", help="llava-7b (default)")
    parser.add_argument("--mop", type=pathlib.Path, default=ROOT / "build" / "src" / "mop")
    parser.add_argument("--models", type=pathlib.Path, default=ROOT / "runs" / "bench", help="folder of checkpoints")
    parser.add_argument("--remove", type=float, nargs="+", default=[0.2, 0.4], help="fractions of the blocks")
    parser.add_argument("--select", default="path:LG", help="the path of `mop prune` (default path:LG)")
    parser.add_argument("--prompt", type=int, default=32, help="tokens after the picture")
    parser.add_argument("--generate", type=int, default=16)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--patience", type=int, default=60, help="seconds to wait for a quiet machine each time")
    parser.add_argument("--fresh", action="store_true", help="measure everything again")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench" / "runs", help="folder of the report")
    return parser.parse_args()


def bench(args, model):
    measure.wait_until_quiet(0.05, args.patience)
    print(f"measuring {model.name}", file=sys.stderr)
    flags = ["--prompt", args.prompt, "--generate", args.generate, "--repeat", args.repeat, "--dtype", args.dtype]
    result = measure.last_json(measure.run(latency.command(args.mop, "bench", model, "--json", *flags))["out"])
    return {**result, "shape": latency.shape_of(args, model)}


def bench_pruned(args, dense, remove):
    """Prunes, measures and removes the pruned checkpoint."""
    folder = args.models / f"{dense.name}-{remove:g}"
    print(f"pruning {dense.name} to {1 - remove:.0%} of its blocks", file=sys.stderr)
    latency.prune(args, dense, folder, remove, args.dtype, ["--select", args.select])
    try:
        return bench(args, folder)
    finally:
        shutil.rmtree(folder)


def spread(seconds):
    return f"{seconds['median']:.2f} ({seconds['min']:.2f} to {seconds['max']:.2f})"


def row(name, result, dense):
    model, first = result["models"][0], dense["models"][0]
    picture, behind = model["picture"], first["picture"]

    def less(ours, theirs):
        return "" if result is dense else f"{100 * (1 - ours['median'] / theirs['median']):.0f}%"

    return (f"| {name} | {result['shape']} | {model['parameters'] / 1e9:.2f} G | {spread(picture['encode_seconds'])} | "
            f"{spread(picture['first_token_seconds'])} | "
            f"{less(picture['first_token_seconds'], behind['first_token_seconds'])} | "
            f"{latency.milliseconds(model['token_seconds'])} | {less(model['token_seconds'], first['token_seconds'])} | "
            f"{100 * model['bandwidth_fraction']:.0f}% | {model['kv_cache_bytes'] / 1e6:.1f} MB |")


def report(args, results):
    dense = results["dense"]
    commit, reads, load = latency.conditions(results)
    parts = ", ".join(f"{name} {count / 1e6:.0f} M" for name, count in dense["models"][0]["parts"].items())
    return "\n".join([
        f"# Latency of {args.shape}, its language model pruned",
        "",
        f"{datetime.date.today()}, commit {commit}, {dense['machine']}, {dense['threads']} threads of "
        f"{os.cpu_count()}, {args.dtype}, batch 1; a picture is {dense['picture_tokens']} tokens, before {args.prompt} tokens of a "
        f"prompt; {args.generate} new tokens behind a prompt without a picture. Median of {args.repeat} (smallest to largest), each "
        f"model alone. Memory reads {reads} GB/s; others used at most {load:.1%} of the machine. Outside the language model: {parts}.",
        "",
        "| blocks removed | shape | parameters | tower and projector, s | first token behind a picture, s | less | per token, ms | "
        "less | of the memory's bandwidth | KV cache |",
        "|---|---|---|---|---|---|---|---|---|---|",
        *(row(name, result, dense) for name, result in results.items()),
        "",
        "Tower and projector stay as they are, and so does what a picture costs before the language model sees it.",
        "",
    ])


def main():
    args = parse()
    cells = measure.Cells(args.models / "llava-latency-cells.jsonl", args.fresh)
    model = latency.dense_model(args, args.shape)
    key = [args.shape, args.select, args.dtype, args.prompt, args.generate, args.repeat, measure.stamp(args.mop)]
    results = {"dense": cells.get([*key, 0], lambda: bench(args, model))}
    for remove in args.remove:
        results[f"{remove:.0%}"] = cells.get([*key, remove], lambda remove=remove: bench_pruned(args, model, remove))
    text = report(args, results)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / f"{datetime.date.today()}-latency-{args.shape}.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
