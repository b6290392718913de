#!/usr/bin/env python3
"""Measures what pruning leaves of a quantised model: sizes of Q4_K_M files and, with --speeds, their speed in
llama.cpp; dense and with 20% and 40% of the layers' parameters removed, MLP widths in the default multiples and in
multiples of 1. Markdown on stdout:

    bench/quantised.py [--model FOLDER] [--text FILE] [--speeds] > bench/runs/DATE-quantised.md

llama.cpp itself quantises (llama_model_quantize, by .env/quantise: ./run setup --quantise) and runs the files
(.env/reference). Sizes are the same on every machine. Speeds are medians of alternating requests and need a quiet
machine: only their ratios are meaningful."""

import argparse
import datetime
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import quality

ROOT = pathlib.Path(__file__).resolve().parents[1]
MOP = pathlib.Path(os.environ.get("MOP_BUILD", ROOT / "build")) / "src" / "mop"
QUANTISER = ROOT / ".env" / "quantise" / "bin" / "python"
RUNNER = ROOT / ".env" / "reference" / "bin" / "python"


def run(*command):
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if ran.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{ran.stderr}")
    return ran.stdout


def variants(model, args, work):
    """Yields (name, folder)."""
    yield "dense", model
    for removed in (0.2, 0.4):
        for multiple in ("default", "1"):
            out = work / f"{removed}-{multiple}"
            chosen = [] if multiple == "default" else ["--shape-multiple", multiple]
            run(MOP, "prune", model, "--out", out, "--calibration", args.text, "--samples", args.samples, "--max-tokens", 128,
                "--remove", removed, "--of", "blocks", "--select", args.select, *chosen)
            yield f"{removed:.0%} removed, {'default widths' if multiple == 'default' else 'multiples of 1'}", out


def speeds(file, args):
    told = json.loads(run(RUNNER, ROOT / "bench" / "llama_cpp_latency.py", file, "--prompt", args.prompt, "--generate",
                          args.generate, "--repeat", args.repeat))
    return {"prompt": told["first_token_seconds"]["median"], "token": told["token_seconds"]["median"]}


def measure(name, folder, work, args):
    plain, small = work / "f16.gguf", work / "q4.gguf"
    for file in (plain, small):
        file.unlink(missing_ok=True)
    run(MOP, "export", folder, "--format", "gguf", "--dtype", "f16", "--out", plain)
    types = json.loads(run(QUANTISER, ROOT / "tests" / "readers" / "quantise.py", "llama.cpp", plain, small, "Q4_K_M"))
    told = json.loads(run(MOP, "inspect", folder, "--json"))
    return {"name": name, "parameters": told["parameters"], "layer": told["layers"][0],
            "down": sorted({kind for tensor, (kind, _) in types.items() if ".ffn_down." in tensor}),
            "f16": plain.stat().st_size, "q4": small.stat().st_size, **(speeds(small, args) if args.speeds else {})}


def table(title, rows):
    timed = [column for column in ("prompt", "token") if column in rows[0]]
    heads = ["model", "parameters", "layers have", "down_proj", "f16 MiB", "Q4_K_M MiB", "of dense",
             *(f"{column}, of dense" for column in timed)]
    lines = [f"## {title}\n", f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    for row in rows:
        cells = [row["name"], f"{row['parameters'] / 1e6:.1f} M",
                 f"{row['layer']['heads']} heads, MLP {row['layer']['mlp']}", ", ".join(row["down"]),
                 f"{row['f16'] / 2**20:.1f}", f"{row['q4'] / 2**20:.1f}",
                 *(f"{row[key] / rows[0][key]:.2f}" for key in ("q4", *timed))]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", type=pathlib.Path, default=[], help="another folder, say SmolLM2-135M")
    parser.add_argument("--text", type=pathlib.Path, default=ROOT / "assets" / "text" / "generated-calibration.txt")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--select", default="path:G")
    parser.add_argument("--speeds", action="store_true", help="measure speeds too; needs an otherwise idle machine")
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--generate", type=int, default=32)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    measured = (f" Prompt of {args.prompt} tokens, {args.generate} new ones; {quality.processor()}, "
                f"{os.cpu_count()} threads; times as parts of the dense model's." if args.speeds else "")
    print(f"# Quantised after pruning, {datetime.date.today()}\n\n{run(MOP, '--version').splitlines()[0]}. Command: "
          f"`bench/quantised.py`, `--select {args.select}`, {args.samples} samples.{measured}\n", flush=True)
    for model in [ROOT / "assets" / "tinystories-12l", *args.model]:
        with tempfile.TemporaryDirectory() as scratch:
            work = pathlib.Path(scratch)
            rows = [measure(name, folder, work, args) for name, folder in variants(model.resolve(), args, work)]
            print(table(model.resolve().name, rows), flush=True)


if __name__ == "__main__":
    main()
