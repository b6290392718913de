#!/usr/bin/env python3
"""What pruning saves in latency: dense against 40% of the block parameters removed, by depth, by width and by both.

Prunes random checkpoints (latency does not depend on the values; `./run bench latency` makes them) and runs
`mop bench PRUNED --vs DENSE`, whose requests take turns. Prints a Markdown report and writes it to bench/runs/. The
paper's measurement is 12 prompt and 128 generated tokens at batch 1: 2.21 s to 1.36 s on a GPU, 39% less. llama.cpp is
measured too when --llama-cpp names a Python that has the package xllamacpp.
"""
import argparse
import datetime
import json
import os
import pathlib
import shutil
import subprocess
import sys

import measure
import prune_large

ROOT = pathlib.Path(__file__).resolve().parents[1]

# How 40% of the blocks go: the selector's path, and more flags of `mop prune`.
WAYS = {
    "depth": ["--select", "path:L"],
    "width": ["--select", "path:G"],
    "mixture": ["--select", "path:LG"],
    "mixture of 32s": ["--select", "path:LG", "--shape-multiple", "32"],
}

# llama.cpp on another machine (two cores of an AMD EPYC, Zen 4, 28 to 38 GB/s), tokens per second, bfloat16:
# prompt and decoding, all parameters and 60% of them.
LLAMA_CPP_ELSEWHERE = {
    "llama-1.1b": {"prompt": ("123", "220 to 270"), "decode": ("13.3", "23 to 31")},
    "llama-7b": {"prompt": ("24.0", "37.5"), "decode": ("2.60", "5.0")},
}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("shapes", nargs="*", default=["llama-1.1b"], help="llama-1.1b (default), llama-7b")
    parser.add_argument("--mop", type=pathlib.Path, default=ROOT / "build" / "src" / "mop")
    parser.add_argument("--models", type=pathlib.Path, default=ROOT / "runs" / "bench", help="folder of checkpoints")
    parser.add_argument("--ways", default=",".join(WAYS), help="comma-separated: " + ", ".join(WAYS))
    parser.add_argument("--remove", type=float, default=0.4)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--prompt", type=int, default=12)
    parser.add_argument("--generate", type=int, default=128)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--long-prompt", type=int, default=512, help="prompt of the prompt-speed column; 0: leave out")
    parser.add_argument("--llama-cpp", metavar="PYTHON", help="a Python with xllamacpp: measure llama.cpp too")
    parser.add_argument("--patience", type=int, default=60, help="seconds to wait for a quiet machine each time")
    parser.add_argument("--keep", action="store_true", help="keep the pruned checkpoints for the next time")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench" / "runs", help="folder of the report")
    return parser.parse_args()


def command(*parts):
    return [str(part) for part in parts]


def dense_model(args, shape):
    folder = args.models / shape
    if not (folder / "config.json").exists():
        sys.exit(f"error: no checkpoint at {folder}; `./run bench latency {shape}` makes it")
    return folder


def pruned_model(args, dense, way):
    """The pruned checkpoint; statistics come from little made-up text, which a random model does not mind."""
    folder = args.models / f"{dense.name}-{way.replace(' ', '-')}-{args.remove:g}"
    if (folder / "config.json").exists():
        return folder
    print(f"pruning {dense.name}: {way}", file=sys.stderr)
    text = args.models / "latency-calibration.txt"
    prune_large.write_calibration(text, 8, 97)
    measure.run(
        command(args.mop, "prune", dense, "--out", folder, "--calibration", text, "--samples", 8, "--max-tokens", 16,
                "--remove", args.remove, "--of", "blocks", "--dtype", "bfloat16", "--force", *WAYS[way])
    )
    return folder


def mop_bench(args, model, versus, prompt, generate, repeat):
    flags = ["--prompt", prompt, "--generate", generate, "--batch", args.batch, "--repeat", repeat]
    measure.wait_until_quiet(0.05, args.patience)
    print(f"measuring {model.name}, {prompt} + {generate} tokens", file=sys.stderr)
    result = measure.run(command(args.mop, "bench", model, "--vs", versus, "--dtype", args.dtype, "--json", *flags))
    return measure.last_json(result["out"])


def shape_of(args, model):
    text = measure.run(command(args.mop, "inspect", model, "--json"))["out"]
    return measure.last_json(text)["shape"]


def milliseconds(spread):
    return f"{1000 * spread['median']:.1f} ({1000 * spread['min']:.1f} to {1000 * spread['max']:.1f})"


def row_of(name, shape, model, prompt_speed, removed="", ratios=None):
    less = ["", "", ""]
    if ratios is not None:
        less = [f"{100 * ratios['reduction'][key]:.1f}%" for key in ("first_token", "token", "total")]
    return (f"| {name} | {shape} | {removed} | {milliseconds(model['first_token_seconds'])} | "
            f"{milliseconds(model['token_seconds'])} | {model['total_seconds']['median']:.2f} | "
            f"{less[0]} | {less[1]} | {less[2]} | "
            f"{model['decode_bandwidth'] / 1e9:.1f} GB/s, {100 * model['bandwidth_fraction']:.0f}% | {prompt_speed} |")


def gguf_of(model):
    return model.parent / f"{model.name}.gguf"


def llama_cpp_line(args, model, prompt, generate):
    """llama.cpp's own times for one of our checkpoints, exported as GGUF; None without the package."""
    file = gguf_of(model)
    if not file.exists():
        measure.run(command(args.mop, "export", model, "--format", "gguf", "--dtype", "bf16", "--out", file))
    script = ROOT / "bench" / "llama_cpp_latency.py"
    measure.wait_until_quiet(0.05, args.patience)
    result = measure.run(command(args.llama_cpp, script, file, "--prompt", prompt, "--generate", generate,
                                 "--repeat", args.repeat))
    return measure.last_json(result["out"])


def bench_shape(args, shape):
    dense = dense_model(args, shape)
    lines, results, dense_done = [], {}, False
    for way in args.ways.split(","):
        pruned = pruned_model(args, dense, way)
        result = mop_bench(args, pruned, dense, args.prompt, args.generate, args.repeat)
        speeds = ["", ""]
        if args.long_prompt:
            long = mop_bench(args, pruned, dense, args.long_prompt, 1, 3)
            speeds = [f"{m['prompt_tokens_per_second']['median']:.0f}" for m in long["models"]]
            result["long_prompt"] = long
        ours, theirs = result["models"]
        removed = f"{100 * (1 - ours['block_parameters'] / theirs['block_parameters']):.1f}%"
        if not dense_done:
            lines.append(row_of("dense", shape_of(args, dense), theirs, speeds[1]))
            dense_done = True
        lines.append(row_of(way, shape_of(args, pruned), ours, speeds[0], removed, result["ratios"][0]))
        if args.llama_cpp:
            result["llama_cpp"] = [llama_cpp_line(args, model, args.prompt, args.generate) for model in (pruned, dense)]
        results[way] = result
        if not args.keep:
            shutil.rmtree(pruned)
            gguf_of(pruned).unlink(missing_ok=True)
    return lines, results


def llama_cpp_table(shape, results):
    lines = []
    known = LLAMA_CPP_ELSEWHERE.get(shape)
    if known:
        lines += [
            "llama.cpp on another machine (two cores of an AMD EPYC, Zen 4, 28 to 38 GB/s; bfloat16, tokens/s, dense and "
            f"60% of the parameters): prompt {known['prompt'][0]} and {known['prompt'][1]}, "
            f"decoding {known['decode'][0]} and {known['decode'][1]}.",
            "",
        ]
    measured = {way: r["llama_cpp"] for way, r in results.items() if "llama_cpp" in r}
    if measured:
        lines += ["| llama.cpp, same machine | prompt ms, pruned | token ms, pruned | prompt ms, dense | token ms, dense |",
                  "|---|---|---|---|---|"]
        for way, (ours, theirs) in measured.items():
            lines.append(f"| {way} | {milliseconds(ours['first_token_seconds'])} | {milliseconds(ours['token_seconds'])} | "
                         f"{milliseconds(theirs['first_token_seconds'])} | {milliseconds(theirs['token_seconds'])} |")
        lines.append("")
    return lines


def report(args, shape, lines, results):
    any_result = next(iter(results.values()))
    load = max(r["foreign_load"] for r in results.values())
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    reads = " to ".join(f"{f(r['read_bandwidth']['median'] for r in results.values()) / 1e9:.1f}" for f in (min, max))
    return "\n".join(
        [
            f"# Latency of {shape}, {args.remove:.0%} of the block parameters removed",
            "",
            f"{datetime.date.today()}, commit {commit.stdout.strip() or 'unknown'}, {any_result['machine']}, "
            f"{any_result['threads']} threads of {os.cpu_count()}, {args.dtype}; {args.prompt} prompt and "
            f"{args.generate} new tokens, batch {args.batch}; median of {args.repeat} (smallest to largest), dense and "
            f"pruned in turn. Memory reads {reads} GB/s; others used at most {load:.1%} of the machine.",
            "",
            "| model | shape | removed | first token, ms | per token, ms | request, s | first token less | per token less "
            f"| request less | weights read | tokens/s of a {args.long_prompt}-token prompt |",
            "|---|---|---|---|---|---|---|---|---|---|---|",
            *lines,
            "",
            *llama_cpp_table(shape, results),
        ]
    )


def main():
    args = parse()
    args.out.mkdir(parents=True, exist_ok=True)
    for shape in args.shapes:
        lines, results = bench_shape(args, shape)
        text = report(args, shape, lines, results)
        name = f"{datetime.date.today()}-latency-{shape}"
        (args.out / f"{name}.md").write_text(text, encoding="utf-8")
        (args.out / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        print(text)


if __name__ == "__main__":
    main()
