#!/usr/bin/env python3
"""Measures how pruning reduces latency: the dense model against 40% of the block parameters removed, by depth, by
width and by both.

Prunes random checkpoints (latency does not depend on the values; `./run bench latency` makes them) and runs `mop
bench PRUNED --vs DENSE`, which alternates the requests. Prints a Markdown report and writes it to bench/runs/. The
paper measured 12 prompt and 128 generated tokens at batch 1: 2.21 s to 1.36 s on a GPU, 39% less. llama.cpp is
measured too when --llama-cpp names a Python that has the package xllamacpp.

Every finished measurement is a line of MODELS/latency-cells.jsonl. An interrupted run continues from there when it is
started again with the same program and flags. The report is rewritten after each way.
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

# How 40% of the blocks are removed: the selector's path, and further flags of `mop prune`.
WAYS = {
    "depth": ["--select", "path:L"],
    "width": ["--select", "path:G"],
    "mixture": ["--select", "path:LG"],
    "mixture of 32s": ["--select", "path:LG", "--shape-multiple", "32"],
}

# llama.cpp on another machine (two cores of an AMD EPYC, Zen 4, 28 to 38 GB/s), in tokens per second, bfloat16:
# prompt and decoding, with all parameters and with 60% of them.
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
    parser.add_argument("--fresh", action="store_true", help="measure everything again")
    parser.add_argument("--keep", action="store_true", help="keep the pruned checkpoints")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "bench" / "runs", help="folder of the report")
    return parser.parse_args()


def command(*parts):
    return [str(part) for part in parts]


def dense_model(args, shape):
    folder = args.models / shape
    if not (folder / "config.json").exists():
        sys.exit(f"error: no checkpoint at {folder}; `./run bench latency {shape}` makes it")
    return folder


def pruned_folder(args, dense, way):
    return args.models / f"{dense.name}-{way.replace(' ', '-')}-{args.remove:g}"


def prune(args, dense, folder, remove, dtype, flags):
    """Prunes a random model to (1 - remove) of its blocks; random text suffices for its statistics."""
    text = args.models / "latency-calibration.txt"
    prune_large.write_calibration(text, 9, 97)  # one line to judge on
    measure.run(
        command(args.mop, "prune", dense, "--out", folder, "--calibration", text, "--samples", 8, "--max-tokens", 16,
                "--remove", remove, "--of", "blocks", "--dtype", dtype, "--force", *flags)
    )


def pruned_model(args, dense, way):
    """Returns the pruned checkpoint; random text suffices for the statistics of a random model."""
    folder = pruned_folder(args, dense, way)
    if (folder / "config.json").exists():
        return folder
    print(f"pruning {dense.name}: {way}", file=sys.stderr)
    prune(args, dense, folder, args.remove, "bfloat16", WAYS[way])
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
    """Returns llama.cpp's times for one of our checkpoints, exported as GGUF; None without the package."""
    file = gguf_of(model)
    if not file.exists():
        measure.run(command(args.mop, "export", model, "--format", "gguf", "--dtype", "bf16", "--out", file))
    script = ROOT / "bench" / "llama_cpp_latency.py"
    measure.wait_until_quiet(0.05, args.patience)
    result = measure.run(command(args.llama_cpp, script, file, "--prompt", prompt, "--generate", generate,
                                 "--repeat", args.repeat))
    return measure.last_json(result["out"])


class Shape:
    """The measurements of one shape, each done once."""

    def __init__(self, args, shape, cells):
        self.args, self.dense, self.cells = args, dense_model(args, shape), cells
        self.key = [shape, args.dtype, args.remove, args.prompt, args.generate, args.batch, args.repeat,
                    os.environ.get("OMP_NUM_THREADS", os.cpu_count()), WAYS, args.llama_cpp, measure.stamp(args.mop)]

    def bench(self, way, prompt, generate, repeat):
        def work():
            return mop_bench(self.args, pruned_model(self.args, self.dense, way), self.dense, prompt, generate, repeat)
        return self.cells.get([*self.key, way, "mop", prompt, generate, repeat], work)

    def llama_cpp(self, way):
        def work():
            model = self.dense if way == "dense" else pruned_model(self.args, self.dense, way)
            return llama_cpp_line(self.args, model, self.args.prompt, self.args.generate)
        return self.cells.get([*self.key, way, "llama.cpp"], work)

    def shape_of(self, way):
        def work():
            return shape_of(self.args, self.dense if way == "dense" else pruned_model(self.args, self.dense, way))
        return self.cells.get([*self.key, way, "shape"], work)

    def measure(self, way):
        args = self.args
        result = {**self.bench(way, args.prompt, args.generate, args.repeat), "shape": self.shape_of(way)}
        if args.long_prompt:
            result["long_prompt"] = self.bench(way, args.long_prompt, 1, 3)
        if args.llama_cpp:
            result["llama_cpp"] = [self.llama_cpp(way), self.llama_cpp("dense")]
        pruned = pruned_folder(args, self.dense, way)
        if not args.keep and pruned.exists():
            shutil.rmtree(pruned)
            gguf_of(pruned).unlink(missing_ok=True)
        return result


def table(shape, results):
    lines = []
    for way, result in results.items():
        speeds = ["", ""]
        if "long_prompt" in result:
            speeds = [f"{m['prompt_tokens_per_second']['median']:.0f}" for m in result["long_prompt"]["models"]]
        ours, theirs = result["models"]
        removed = f"{100 * (1 - ours['block_parameters'] / theirs['block_parameters']):.1f}%"
        if not lines:
            lines.append(row_of("dense", shape.shape_of("dense"), theirs, speeds[1]))
        lines.append(row_of(way, result["shape"], ours, speeds[0], removed, result["ratios"][0]))
    return lines


def llama_cpp_row(name, ours, theirs):
    """Returns the row of one model in both programs."""
    parts = [(ours[key], theirs[key]) for key in ("first_token_seconds", "token_seconds")]
    cells = [f"{milliseconds(a)} | {milliseconds(b)} | {b['median'] / a['median']:.2f}" for a, b in parts]
    return f"| {name} | {' | '.join(cells)} |"


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
        lines += ["llama.cpp (bf16 GGUF, float32 KV cache, no flash attention) on this machine, one after the other; ratios are "
                  "its time over mop's:", "",
                  "| model | first token ms, mop | llama.cpp | ratio | per token ms, mop | llama.cpp | ratio |",
                  "|---|---|---|---|---|---|---|"]
        for way, (pruned, dense) in measured.items():
            ours, theirs = results[way]["models"]
            if not lines[-1].startswith("| "):
                lines.append(llama_cpp_row("dense", theirs, dense))
            lines.append(llama_cpp_row(way, ours, pruned))
        lines.append("")
    return lines


def conditions(results):
    """Returns commit, memory bandwidth in GB/s and the most foreign load of measurements, as reports name them."""
    commit = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    reads = " to ".join(f"{f(r['read_bandwidth']['median'] for r in results.values()) / 1e9:.1f}" for f in (min, max))
    return commit.stdout.strip() or "unknown", reads, max(r["foreign_load"] for r in results.values())


def report(args, shape, lines, results):
    any_result = next(iter(results.values()))
    commit, reads, load = conditions(results)
    return "\n".join(
        [
            f"# Latency of {shape}, {args.remove:.0%} of the block parameters removed",
            "",
            f"{datetime.date.today()}, commit {commit}, {any_result['machine']}, "
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


def check(args):
    unknown = [way for way in args.ways.split(",") if way not in WAYS]
    if unknown:
        sys.exit(f"error: unknown way '{unknown[0]}'; known: {', '.join(WAYS)}")
    if args.llama_cpp and subprocess.run([args.llama_cpp, "-c", "import xllamacpp"], capture_output=True, check=False).returncode:
        sys.exit(f"error: {args.llama_cpp} has no package xllamacpp")


def main():
    args = parse()
    args.out.mkdir(parents=True, exist_ok=True)
    check(args)
    cells = measure.Cells(args.models / "latency-cells.jsonl", args.fresh)
    for name in args.shapes:
        shape, results = Shape(args, name, cells), {}
        for way in args.ways.split(","):
            results[way] = shape.measure(way)
            text = report(args, name, table(shape, results), results)
            file = f"{datetime.date.today()}-latency-{name}"
            (args.out / f"{file}.md").write_text(text, encoding="utf-8")
            (args.out / f"{file}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        print(text)


if __name__ == "__main__":
    main()
