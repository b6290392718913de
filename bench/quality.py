#!/usr/bin/env python3
"""What pruning costs, side by side with its controls, without recovery training.

  bench/quality.py [--model tinystories-12l|smollm2-135m] [--mop build/src/mop] [--fractions 0.2,0.3,0.4]
                   [--tasks arc_easy,piqa --limit 100] [--rules TEXT ...]

Each row is a rule (a path, a selector, or a control), each column the perplexity (float32) after that fraction of the
layers' parameters went. Controls: the same widths with units drawn at random, and with the smallest weights instead of the
smallest activations. Random paths are given for three seeds. `repaired`: by least squares, without training. Prints a Markdown table.

tinystories-12l is the embedded model on embedded text (protocol `lines`). smollm2-135m is a real language model, fetched by
tools/real_model.sh: calibrated on Alpaca and judged on the beginning of WikiText-2 in windows of 512, both from MOP_TEST_DATA;
without that, on the embedded text. With --tasks every cell has the mean zero-shot accuracy behind the perplexity.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
DATA = pathlib.Path(os.environ.get("MOP_TEST_DATA", ROOT.parent / "shared/data"))
CALIBRATION = ROOT / "assets/text/generated-calibration.txt"
TEXT = ROOT / "assets/text/generated-evaluation.txt"


@dataclasses.dataclass
class Setting:
    model: pathlib.Path
    calibration: pathlib.Path = CALIBRATION
    text: pathlib.Path = TEXT
    protocol: str = "lines"
    bytes: int | None = None  # of the text, from its beginning
    samples: int = 128


def embedded():
    return Setting(ROOT / "assets/tinystories-12l")


def real():
    model = pathlib.Path(run([ROOT / "tools/real_model.sh"]).strip())
    if not DATA.is_dir():
        return Setting(model, samples=32)
    return Setting(model, DATA / "text/alpaca-999.json", DATA / "text/wikitext2-test.txt", "windows:512", 80_000, 32)


MODELS = {"tinystories-12l": embedded, "smollm2-135m": real}


def width_by(heads, neurons):
    return ["--set", f"width.heads={heads}", "--set", f"width.neurons={neurons}"]


RULES = [
    ("default", [[]]),
    ("default, equal layers", [["--uniform"]]),
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
REPAIRED = ("depth only", "width only, AMP", "random paths (3 seeds)", "path by perplexity")
RULES += [(f"{name}, repaired", [flags + ["--repair", "least-squares"] for flags in variants])
          for name, variants in RULES if name in REPAIRED]


def run(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def figures(args, setting, model):
    """(perplexity, mean accuracy or None)"""
    said = json.loads(run([args.mop, "eval", model, "--text", setting.text, "--protocol", setting.protocol, "--json"]))
    if not args.tasks:
        return said["perplexity"], None
    limit = ["--limit", args.limit] if args.limit else []
    scored = json.loads(run([args.mop, "eval", model, "--tasks", args.tasks, "--data", DATA / "tasks", *limit, "--json"]))
    values = [result["acc,none"] for result in scored["results"].values()]
    return said["perplexity"], sum(values) / len(values)


def number(value):
    perplexity, accuracy = value
    return f"{perplexity:.2f}" + (f" / {accuracy:.1%}" if accuracy is not None else "")


def cell(values):
    if len(values) == 1:
        return number(values[0])
    mean = [sum(column) / len(values) if column[0] is not None else None for column in zip(*values)]
    return f"{number(mean)} ({', '.join(f'{v[0]:.1f}' for v in values)})"


def beginning_of(text, size, folder):
    """The first lines of a text, `size` bytes at most."""
    lines = text.read_bytes()[:size].split(b"\n")[:-1]
    short = pathlib.Path(folder) / f"{text.stem}-{size}.txt"
    short.write_bytes(b"\n".join(lines) + b"\n")
    return short


def table(args, setting, work):
    fractions = [float(f) for f in args.fractions.split(",")]
    print(f"model: {setting.model.name}; text: {setting.text.name}, {setting.protocol}; calibration: {setting.calibration.name}; "
          f"dense: {number(figures(args, setting, setting.model))}\n")
    print("| rule | " + " | ".join(f"{f:.0%} of the blocks" for f in fractions) + " |")
    print("|---" * (len(fractions) + 1) + "|")
    for name, variants in RULES:
        if args.rules and not any(wanted in name for wanted in args.rules):
            continue
        cells = []
        for fraction in fractions:
            values = []
            for flags in variants:
                with tempfile.TemporaryDirectory(dir=work) as folder:
                    out = pathlib.Path(folder) / "out"
                    run([args.mop, "prune", setting.model, "--out", out, "--calibration", setting.calibration, "--samples",
                         setting.samples, "--remove", fraction, "--of", "blocks", *flags])
                    values.append(figures(args, setting, out))
            cells.append(cell(values))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tinystories-12l", choices=MODELS)
    parser.add_argument("--mop", default=ROOT / "build/src/mop")
    parser.add_argument("--fractions", default="0.2,0.3,0.4")
    parser.add_argument("--text", type=pathlib.Path, help="another text")
    parser.add_argument("--tasks", help="zero-shot tasks from MOP_TEST_DATA, too")
    parser.add_argument("--limit", type=int, help="the first records of each task")
    parser.add_argument("--rules", nargs="*", help="only rows whose name has one of these")
    args = parser.parse_args()
    setting = MODELS[args.model]()
    with tempfile.TemporaryDirectory() as work:
        if args.text:
            setting.text = args.text
        elif setting.bytes:
            setting.text = beginning_of(setting.text, setting.bytes, work)
        table(args, setting, work)


if __name__ == "__main__":
    main()
