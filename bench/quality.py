#!/usr/bin/env python3
"""What pruning costs, side by side with its controls, on the embedded model, without recovery training.

  bench/quality.py [--mop build/src/mop] [--fractions 0.2,0.3,0.4] [--text FILE ...]

Each row is a rule (a path, a selector, or a control), each column the perplexity (protocol `lines`, float32) after that
fraction of the layers' parameters went. Controls: the same widths with units drawn at random, and with the smallest weights
instead of the smallest activations. Random paths are given for three seeds. Prints a Markdown table.
"""
import argparse
import json
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODEL = ROOT / "assets/tinystories-12l"
CALIBRATION = ROOT / "assets/text/generated-calibration.txt"


def width_by(heads, neurons):
    return ["--set", f"width.heads={heads}", "--set", f"width.neurons={neurons}"]


RULES = [
    ("depth only", [["--select", "path:L"]]),
    ("width only, AMP", [["--select", "path:G"]]),
    ("width only, random units (3 seeds)",
     [["--select", "path:G", *width_by("random-heads", "random-neurons"),
       "--set", f"random-heads.seed={s}", "--set", f"random-neurons.seed={s}"] for s in (1, 2, 3)]),
    ("width only, smallest weights", [["--select", "path:G", *width_by("magnitude-heads", "magnitude-neurons")]]),
    ("random paths (3 seeds)", [["--select", "random", "--seed", str(s)] for s in (1, 2, 3)]),
    ("path by perplexity", [["--select", "perplexity"]]),
    ("path by KL", [["--select", "kl"]]),
    ("path by cosine", [["--select", "cosine"]]),
]


def run(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def perplexity(mop, model, text):
    return json.loads(run([mop, "eval", model, "--text", text, "--protocol", "lines", "--json"]))["perplexity"]


def cell(values):
    if len(values) == 1:
        return f"{values[0]:.2f}"
    return f"{sum(values) / len(values):.2f} ({', '.join(f'{v:.1f}' for v in values)})"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mop", default=ROOT / "build/src/mop")
    parser.add_argument("--fractions", default="0.2,0.3,0.4")
    parser.add_argument("--text", default=ROOT / "assets/text/generated-evaluation.txt")
    args = parser.parse_args()
    fractions = [float(f) for f in args.fractions.split(",")]
    print(f"text: {pathlib.Path(args.text).name}; dense: {perplexity(args.mop, MODEL, args.text):.2f}\n")
    print("| rule | " + " | ".join(f"{f:.0%} of the blocks" for f in fractions) + " |")
    print("|---" * (len(fractions) + 1) + "|")
    for name, variants in RULES:
        cells = []
        for fraction in fractions:
            values = []
            for flags in variants:
                with tempfile.TemporaryDirectory() as folder:
                    out = pathlib.Path(folder) / "out"
                    run([args.mop, "prune", MODEL, "--out", out, "--calibration", CALIBRATION, "--remove", fraction,
                         "--of", "blocks", *flags])
                    values.append(perplexity(args.mop, out, args.text))
            cells.append(cell(values))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
