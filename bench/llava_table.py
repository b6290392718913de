#!/usr/bin/env python3
"""Measures whether text-only recovery restores the visual accuracy of a pruned vision-language model. One command,
resumable.

    .env/reference/bin/python tools/small_llava.py SMALL      (once: a small LLaVA and questions about drawn shapes)
    bench/llava_table.py SMALL [--fractions 0.2,0.4] [--tokens 40000] [--method lora] [--out runs/llava]
    bench/llava_table.py SMALL --tower [--fractions 0.2,0.4] [--limit N] [--out runs/tower]

The language model loses 20 and 40% of its blocks, calibrated on questions without pictures. It is then trained on
equally many tokens of scenes described in words, or of pictures with questions, each at the best learning rate that
`mop recover` finds on held-out samples. Reports the accuracy on questions about pictures that are not in the training
data. Every finished cell is a line of OUT/cells.jsonl.

With --tower the vision tower loses these fractions of the heads and MLPs that are computed, calibrated on conversations about
pictures, by several criteria and by random units of three seeds, without training; and the whole model loses as much by
width steps of the language model, or by them and the tower's, whichever changes the predictions less.
"""
import argparse
import json
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
RULES = {"default": [], "random path": ["--select", "random", "--repair", "none"], "width only, AMP": ["--select", "path:G", "--repair", "none"]}


def vision(*settings):
    return [flag for setting in settings for flag in ("--set", f"vision.{setting}")]


TOWER = {"mope": vision("criterion=mope"),
         "magnitude": vision("criterion=magnitude"),
         **{f"random units, seed {seed}": [*vision("criterion=random"), "--seed", seed] for seed in range(3)},
         "wanda-sp": vision("criterion=wanda-sp"),
         "wanda-sp, ecoflap ratios": vision("criterion=wanda-sp", "allocation=ecoflap")}
MIXED = {"width": ["--set", "branches=[width]", "--select", "path:G"],
         "width and vision, kl": ["--set", "branches=[width,vision]", "--select", "kl", *vision("criterion=wanda-sp")]}
TASKS = "scienceqa_choices,pope_choices"


class Table:
    def __init__(self, small, out, limit):
        self.model, self.data, self.out = small / "model", small / "data", out
        self.limit = ["--limit", limit] if limit else []
        self.cells = out / "cells.jsonl"
        out.mkdir(parents=True, exist_ok=True)
        lines = self.cells.read_text().splitlines() if self.cells.exists() else []
        self.done = {row["name"]: row for row in map(json.loads, lines)}

    def mop(self, *args):
        ran = subprocess.run([ROOT / "mop", *map(str, args), "--json"], stdout=subprocess.PIPE, check=True)
        return json.loads(ran.stdout)

    def cell(self, name, model, **more):
        if name not in self.done:
            self.done[name] = {"name": name, **more, **self.accuracy(model)}
            with self.cells.open("a") as file:
                file.write(json.dumps(self.done[name]) + "\n")
        return self.done[name]

    def accuracy(self, model):
        results = self.mop("eval", model, "--tasks", TASKS, "--data", self.data, *self.limit)["results"]
        science, pope = results["scienceqa_choices"], results["pope_choices"]
        return {"choices": science["acc,none"], "choices_stderr": science["acc_stderr,none"], "pope": pope["acc,none"],
                "pope_f1": pope["f1,none"], "pope_yes": pope["yes_rate,none"]}

    def pruned(self, rule, fraction):
        folder = self.out / f"{rule.replace(' ', '-').replace(',', '')}-{fraction}"
        if not folder.exists():
            self.mop("prune", self.model, "--remove", fraction, "--of", "blocks", "--calibration", self.data / "questions.jsonl",
                     "--samples", 128, *RULES[rule], "--out", folder, "--force")
        return folder

    def cut(self, name, fraction, *flags):
        """Of the tower or the whole; judged and measured on the same samples."""
        folder = self.out / f"{name.replace(' ', '-').replace(',', '')}-{fraction}"
        if not folder.exists():
            self.mop("prune", self.model, "--remove", fraction, "--calibration", self.data / "train.json", "--samples", 64, *flags, "--out",
                     folder, "--force")
        return folder

    def recovered(self, pruned, data, method, tokens):
        folder = pruned.with_name(f"{pruned.name}-{method}-{data}")
        if not folder.exists():
            self.mop("recover", pruned, "--data", self.data / f"{data}.json", "--method", method, "--tokens", tokens, "--out", folder,
                     "--force")
        return folder


def line(row):
    return (f"| {row['name']} | {100 * row['choices']:.1f} ± {100 * row['choices_stderr']:.1f} | {100 * row['pope']:.1f} | "
            f"{100 * row['pope_f1']:.1f} | {100 * row['pope_yes']:.0f} |")


def tower_rows(table, fractions):
    rows = [table.cell("dense", table.model)]
    for fraction in fractions:
        for name, flags in TOWER.items():
            rows.append(table.cell(f"{100 * float(fraction):.0f}% of the tower, {name}", table.cut(name, fraction, *flags)))
    for fraction in (f for f in fractions if float(f) < 0.5):  # beyond, little is left of the language model
        for name, flags in MIXED.items():
            folder = table.cut(name, fraction, "--of", "all", "--rounds", 8, *flags)
            steps = [step["branch"] for step in json.loads((folder / "run/metrics.json").read_text())["steps"]]
            rows.append(table.cell(f"{100 * float(fraction):.0f}% of all, {name} ({steps.count('vision')} of {len(steps)} steps)", folder))
    return rows


def language_rows(table, args):
    rows = [table.cell("dense", table.model)]
    for fraction in args.fractions.split(","):
        for rule in args.rules.split(","):
            percent = f"{100 * float(fraction):.0f}%, {rule}"
            pruned = table.pruned(rule, fraction)
            rows.append(table.cell(f"{percent}, untrained", pruned))
            for data, what in (("text", "text alone"), ("train", "pictures and text")):
                name = f"{percent}, {args.method} on {what}"
                rows.append(table.cell(name, table.recovered(pruned, data, args.method, args.tokens)))
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("small", type=pathlib.Path)
    parser.add_argument("--fractions", default="0.2,0.4")
    parser.add_argument("--rules", default=",".join(("default", "random path")))
    parser.add_argument("--tokens", type=int, default=40000)
    parser.add_argument("--method", default="lora")
    parser.add_argument("--tower", action="store_true", help="prune the vision tower")
    parser.add_argument("--limit", type=int, help="the first so many questions of each task")
    parser.add_argument("--out", type=pathlib.Path)
    args = parser.parse_args()
    table = Table(args.small, args.out or ROOT / ("runs/tower" if args.tower else "runs/llava"), args.limit)
    rows = tower_rows(table, args.fractions.split(",")) if args.tower else language_rows(table, args)
    print("| | choices, accuracy | yes or no, accuracy | F1 | yes |\n|---|---|---|---|---|")
    print("\n".join(map(line, rows)))


if __name__ == "__main__":
    main()
