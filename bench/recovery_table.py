#!/usr/bin/env python3
"""What recovery gives back, side by side with its controls: one command, resumable, some two hours on two quiet cores.

  bench/recovery_table.py [--data ../shared/data] [--tokens 500000] [--method lora] [--out runs/recovery]

Table 1: tinystories-12l without 20, 30 and 40% of its blocks, by rule, perplexity (protocol `lines`, float32, held-out stories)
before and after training on the same number of tokens of tinystories-train.txt. 30% with three seeds, the others with one
(depth and AMP's width alone prune the same with every seed: those three differ by training alone). What was really removed
stands beside "before": whole layers rarely meet the target.
Controls: the same widths with units drawn at random, and a model of the random path's shape trained from random weights
(`mop train`) on as many tokens. Table 2: which method recovers most, on both real models at 30% (path by perplexity), for the
same tokens and for the same minutes. Every finished cell is a line of OUT/cells.jsonl and is not done again.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
FRACTIONS = {"0.2": (1,), "0.3": (1, 2, 3), "0.4": (1,)}
RANDOM_UNITS = ["--set", "width.heads=random-heads", "--set", "width.neurons=random-neurons"]
RULES = {
    "depth only": lambda seed: ["--select", "path:L"],
    "width only, AMP": lambda seed: ["--select", "path:G"],
    "width only, random units": lambda seed: ["--select", "path:G", *RANDOM_UNITS],
    "random path": lambda seed: ["--select", "random"],
    "path by perplexity": lambda seed: ["--select", "perplexity"],
}
SCRATCH = "random weights, random path's shape"
METHODS = {
    "lora": ["--method", "lora"],
    "full": ["--method", "full"],
    "distil, low-rank": ["--method", "distil"],
    "distil, every weight": ["--method", "distil", "--set", "distil.trains=full"],
}
# model, text to train on, text to judge on
MODELS = {
    "tinystories-12l": ("tinystories-train.txt", "tinystories-valid.txt"),
    "stories260k": ("tinystories-v2-train.txt", "tinystories-v2-valid.txt"),
}


class Bench:
    def __init__(self, args):
        self.args, self.file = args, args.out / "cells.jsonl"
        args.out.mkdir(parents=True, exist_ok=True)
        self.cells = {}
        if self.file.exists():
            self.cells = {c["key"]: c for c in map(json.loads, self.file.read_text().splitlines())}

    def text(self, name):
        return self.args.data / "text" / name

    def mop(self, *command):
        started = time.monotonic()
        threads = () if command[0] == "inspect" else ("--threads", self.args.threads)
        done = subprocess.run([str(c) for c in (self.args.mop, *command, "--json", *threads)],
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{command}\n{done.stderr}")
        return json.loads(done.stdout), time.monotonic() - started

    def perplexity(self, model, name):
        return self.mop("eval", model, "--text", self.text(MODELS[name][1]), "--protocol", "lines")[0]["perplexity"]

    def cell(self, key, make):
        if key not in self.cells:
            cell = {"key": key, **make()}
            with self.file.open("a") as file:
                file.write(json.dumps(cell) + "\n")
            self.cells[key] = cell
            print(json.dumps(cell), file=sys.stderr, flush=True)
        return self.cells[key]

    def prune(self, name, fraction, rule, seed):
        """Folder of the pruned model, kept for the other cells."""
        out = self.args.out / f"{name}-{fraction}-{rule}-{seed}".replace(" ", "_").replace(",", "")
        if not (out / "config.json").exists():
            self.mop("prune", self.args.data / "models" / name, "--out", out, "--force", "--calibration",
                     self.text(MODELS[name][0]), "--samples", 128, "--remove", fraction, "--of", "blocks", "--seed", seed,
                     *RULES[rule](seed))
        return out

    def removed(self, name, fraction, rule, seed):
        """The part of the block parameters that is gone."""
        pruned, dense = (self.mop("inspect", model)[0]["block_parameters"] for model in
                         (self.prune(name, fraction, rule, seed), self.args.data / "models" / name))
        return 1 - pruned / dense

    def train(self, verb, name, out, seed, *more):
        shutil.rmtree(out, ignore_errors=True)
        result, seconds = self.mop(*verb, "--data", self.text(MODELS[name][0]), "--out", out, "--seed", seed, "--set",
                                   "validation.samples=0", "--force", *more)
        return result["outcome"], seconds

    def recovered(self, name, fraction, rule, seed, limit, method):
        def make():
            pruned, out = self.prune(name, fraction, rule, seed), self.args.out / "trained"
            teacher = ["--teacher", self.args.data / "models" / name] if "distil" in method else []
            outcome, seconds = self.train(["recover", pruned], name, out, seed, *limit, *METHODS[method], *teacher)
            return {"before": self.perplexity(pruned, name), "after": self.perplexity(out, name),
                    "tokens": outcome["tokens"], "seconds": seconds}

        return self.cell(f"{name}|{fraction}|{rule}|{seed}|{' '.join(map(str, limit))}|{method}", make)

    def scratch(self, fraction, seed):
        def make():
            name, out = "tinystories-12l", self.args.out / "trained"
            config = self.prune(name, fraction, "random path", seed) / "config.json"
            verb = ["train", "--config", config, "--tokenizer", self.args.data / "models" / name]
            outcome, seconds = self.train(verb, name, out, seed, "--tokens", self.args.tokens)
            return {"after": self.perplexity(out, name), "tokens": outcome["tokens"], "seconds": seconds}

        return self.cell(f"scratch|{fraction}|{seed}|{self.args.tokens}", make)


def mean(cells, key):
    values = [c[key] for c in cells]
    text = f"{sum(values) / len(values):.2f}"
    return text if len(values) == 1 else f"{text} ({', '.join(f'{v:.2f}' for v in values)})"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mop", default=ROOT / "build/src/mop")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT.parent / "shared/data")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "runs/recovery")
    parser.add_argument("--tokens", type=int, default=500_000)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--method", choices=METHODS, default="lora")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    bench, limit = Bench(args), ["--tokens", args.tokens]
    name = "tinystories-12l"
    rows = []
    for rule in RULES:
        row = [rule]
        for fraction, seeds in FRACTIONS.items():
            cells = [bench.recovered(name, fraction, rule, seed, limit, args.method) for seed in seeds]
            removed = bench.removed(name, fraction, rule, seeds[0])
            row += [f"{mean(cells, 'before')} at {removed:.1%}", mean(cells, "after")]
        rows.append(row)
    row = [SCRATCH]
    for fraction, seeds in FRACTIONS.items():
        row += ["-", mean([bench.scratch(fraction, seed) for seed in seeds], "after")]
    rows.append(row)
    head = ["rule"] + [f"{float(f):.0%} {when}" for f in FRACTIONS for when in ("before", "after")]
    dense = bench.cell(f"dense|{name}", lambda: {"after": bench.perplexity(args.data / "models" / name, name)})["after"]
    print(f"{name}, {args.method}, {args.tokens:,} tokens each; dense {dense:.2f}\n\n" + table(head, rows))
    rows = []
    for model in MODELS:
        for method in METHODS:
            same = bench.recovered(model, "0.3", "path by perplexity", 1, limit, method)
            timed = bench.recovered(model, "0.3", "path by perplexity", 1, ["--minutes", args.minutes], method)
            rows.append([model, method, f"{same['before']:.2f}", f"{same['after']:.2f}", f"{same['seconds']:.0f} s",
                         f"{timed['after']:.2f}", f"{timed['tokens']:,}"])
    print(table(["model at 30%", "method", "before", f"after {args.tokens:,} tokens", "took",
                 f"after {args.minutes:g} minutes", "tokens"], rows))


if __name__ == "__main__":
    main()
