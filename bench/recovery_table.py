#!/usr/bin/env python3
"""Measures how much recovery restores, with controls: one command, resumable, about two hours on two quiet cores.

  bench/recovery_table.py [--model tinystories-12l] [--data ../shared/data] [--tokens 500000] [--method lora]
                          [--fractions 0.2,0.3,0.4] [--rules TEXT ...] [--swept] [--out runs/recovery]

Table 1: --model without 20, 30 and 40% of its blocks, by rule, perplexity (float32, held-out text) before and after training
on the same number of tokens. tinystories-12l at 30% has three seeds, the others one
(depth, AMP's width and the default alone prune the same with every seed: those three differ by training alone). What was really removed
stands beside "before": whole layers rarely meet the target. With --swept every row is trained at the best of the rates that
`mop recover` tries on held-out samples of the training text, else at the method's own.
smollm2-135m, fetched by tools/real_model.sh, is calibrated and trained on C4 and judged on the first 40 windows of WikiText-2.
Controls: the same widths with units drawn at random, and a model of the random path's shape trained from random weights
(`mop train`) on as many tokens. Table 2, of the toys: which method recovers most, on both real models at 30% (path by perplexity), for the
same tokens and for the same minutes. Every finished cell is a line of OUT/cells.jsonl and is not done again.
"""
import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import time

import quality

ROOT = pathlib.Path(__file__).resolve().parent.parent
RANDOM_UNITS = ["--set", "width.heads=random-heads", "--set", "width.neurons=random-neurons"]
RULES = {
    "default": lambda seed: [],
    "default, equal layers": lambda seed: ["--uniform"],
    "default, reconstruction": lambda seed: ["--repair", "reconstruction"],
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


def toy(data, name, train, judged):
    return quality.Setting(data / "models" / name, data / "text" / train, data / "text" / judged)


MODELS = {
    "tinystories-12l": lambda data: toy(data, "tinystories-12l", "tinystories-train.txt", "tinystories-valid.txt"),
    "stories260k": lambda data: toy(data, "stories260k", "tinystories-v2-train.txt", "tinystories-v2-valid.txt"),
    "smollm2-135m": lambda data: quality.real(),
}
TOYS = ("tinystories-12l", "stories260k")


class Bench:
    def __init__(self, args):
        self.args, self.file = args, args.out / "cells.jsonl"
        args.out.mkdir(parents=True, exist_ok=True)
        self.cells = {}
        if self.file.exists():
            self.cells = {c["key"]: c for c in map(json.loads, self.file.read_text().splitlines())}
        self.settings = {}

    def setting(self, name):
        if name not in self.settings:
            self.settings[name] = MODELS[name](self.args.data)
        return self.settings[name]

    def mop(self, *command):
        started = time.monotonic()
        threads = () if command[0] == "inspect" else ("--threads", self.args.threads)
        done = subprocess.run([str(c) for c in (self.args.mop, *command, "--json", *threads)],
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(f"{command}\n{done.stderr}")
        return json.loads(done.stdout), time.monotonic() - started

    def perplexity(self, model, name):
        setting = self.setting(name)
        part = ["--limit", setting.limit] if setting.limit else []
        return self.mop("eval", model, "--text", setting.text, "--protocol", setting.protocol, *part)[0]["perplexity"]

    def cell(self, key, make):
        if key not in self.cells:
            cell = {"key": key, **make()}
            with self.file.open("a") as file:
                file.write(json.dumps(cell) + "\n")
            self.cells[key] = cell
            print(json.dumps(cell), file=sys.stderr, flush=True)
        return self.cells[key]

    def prune(self, name, fraction, rule, seed):
        """Returns the folder of the pruned model, kept for the other cells."""
        out = self.args.out / f"{name}-{fraction}-{rule}-{seed}".replace(" ", "_").replace(",", "")
        if not (out / "config.json").exists():
            setting = self.setting(name)
            self.mop("prune", setting.model, "--out", out, "--force", "--calibration", setting.calibration, "--samples",
                     setting.samples, "--max-tokens", setting.max_tokens, "--remove", fraction, "--of", "blocks", "--seed", seed,
                     *RULES[rule](seed))
        return out

    def removed(self, name, fraction, rule, seed):
        """Returns the fraction of the block parameters that was removed."""
        pruned, dense = (self.mop("inspect", model)[0]["block_parameters"] for model in
                         (self.prune(name, fraction, rule, seed), self.setting(name).model))
        return 1 - pruned / dense

    def train(self, verb, name, out, seed, *more):
        shutil.rmtree(out, ignore_errors=True)
        swept = [] if self.args.swept and verb[0] == "recover" else ["--set", "validation.samples=0"]
        result, seconds = self.mop(*verb, "--data", self.setting(name).calibration, "--out", out, "--seed", seed, "--force",
                                   *swept, *more)
        return result["outcome"], seconds

    def recovered(self, name, fraction, rule, seed, limit, method):
        def make():
            pruned, out = self.prune(name, fraction, rule, seed), self.args.out / "trained"
            teacher = ["--teacher", self.setting(name).model] if "distil" in method else []
            outcome, seconds = self.train(["recover", pruned], name, out, seed, *limit, *METHODS[method], *teacher)
            return {"before": self.perplexity(pruned, name), "after": self.perplexity(out, name),
                    "tokens": outcome["tokens"], "seconds": seconds}

        swept = "|swept" if self.args.swept else ""
        return self.cell(f"{name}|{fraction}|{rule}|{seed}|{' '.join(map(str, limit))}|{method}{swept}", make)

    def scratch(self, name, fraction, seed):
        def make():
            out = self.args.out / "trained"
            config = self.prune(name, fraction, "random path", seed) / "config.json"
            verb = ["train", "--config", config, "--tokenizer", self.setting(name).model]
            outcome, seconds = self.train(verb, name, out, seed, "--tokens", self.args.tokens)
            return {"after": self.perplexity(out, name), "tokens": outcome["tokens"], "seconds": seconds}

        return self.cell(f"{name}|scratch|{fraction}|{seed}|{self.args.tokens}", make)


def mean(cells, key):
    values = [c[key] for c in cells]
    text = f"{sum(values) / len(values):.2f}"
    return text if len(values) == 1 else f"{text} ({', '.join(f'{v:.2f}' for v in values)})"


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def by_rule(bench, args):
    name, limit = args.model, ["--tokens", args.tokens]
    fractions = {f: (1, 2, 3) if f == "0.3" and name in TOYS else (1,) for f in args.fractions.split(",")}
    wanted = [rule for rule in (*RULES, SCRATCH) if not args.rules or any(text == rule if text in RULES else text in rule for text in args.rules)]
    rows = []
    for rule in wanted:
        row = [rule]
        for fraction, seeds in fractions.items():
            if rule == SCRATCH:
                row += ["-", mean([bench.scratch(name, fraction, seed) for seed in seeds], "after")]
                continue
            cells = [bench.recovered(name, fraction, rule, seed, limit, args.method) for seed in seeds]
            removed = bench.removed(name, fraction, rule, seeds[0])
            row += [f"{mean(cells, 'before')} at {removed:.1%}", mean(cells, "after")]
        rows.append(row)
    head = ["rule"] + [f"{float(f):.0%} {when}" for f in fractions for when in ("before", "after")]
    dense = bench.cell(f"dense|{name}", lambda: {"after": bench.perplexity(bench.setting(name).model, name)})["after"]
    rate = ", each at its best rate" if args.swept else ""
    print(f"{quality.machine(args)}\n\n{name}, {args.method}, {args.tokens:,} tokens each{rate}; dense {dense:.2f}\n\n" + table(head, rows))


def by_method(bench, args):
    rows = []
    for model in TOYS:
        for method in METHODS:
            same = bench.recovered(model, "0.3", "path by perplexity", 1, ["--tokens", args.tokens], method)
            timed = bench.recovered(model, "0.3", "path by perplexity", 1, ["--minutes", args.minutes], method)
            rows.append([model, method, f"{same['before']:.2f}", f"{same['after']:.2f}", f"{same['seconds']:.0f} s",
                         f"{timed['after']:.2f}", f"{timed['tokens']:,}"])
    print(table(["model at 30%", "method", "before", f"after {args.tokens:,} tokens", "took",
                 f"after {args.minutes:g} minutes", "tokens"], rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=MODELS, default="tinystories-12l")
    parser.add_argument("--mop", default=ROOT / "build/src/mop")
    parser.add_argument("--data", type=pathlib.Path, default=quality.DATA)
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "runs/recovery")
    parser.add_argument("--tokens", type=int, default=500_000)
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--method", choices=METHODS, default="lora")
    parser.add_argument("--fractions", default="0.2,0.3,0.4")
    parser.add_argument("--rules", nargs="*", help="only rows whose name contains one of these, without the second table")
    parser.add_argument("--swept", action="store_true", help="use the best of several learning rates for every row")
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    bench = Bench(args)
    by_rule(bench, args)
    if not args.rules and args.model in TOYS:
        by_method(bench, args)


if __name__ == "__main__":
    main()
