#!/usr/bin/env python3
"""Measures the perplexity after pruning, with controls, without recovery training.

  bench/quality.py [--model tinystories-12l|smollm2-135m] [--mop build/src/mop] [--fractions 0.2,0.3,0.4]
                   [--tasks arc_easy,piqa --limit 100] [--windows 40] [--samples 64] [--dtype float32] [--table method|criteria|allocations|depth]
                   [--rules TEXT ...]

Each row is a rule (a path, a selector, or a control), each column the perplexity after that fraction of the layers'
parameters went. Controls: the same widths with units drawn at random, and with the smallest weights instead of the
smallest activations. Random paths are given for three seeds. The other tables are of other papers' criteria (one round, equal counts and
parameters), allocations and depth rules, each as it is and repaired by least squares. `repaired`: by least squares, without training. Prints a Markdown table,
a row when it is ready, and every figure to stderr as it comes.

tinystories-12l is the embedded model on embedded text (protocol `lines`). smollm2-135m is a real language model, fetched by
tools/real_model.sh: calibrated on C4 and judged on the first --windows windows of 512 tokens of WikiText-2, both from
MOP_TEST_DATA; without that, on the embedded text. With --tasks every cell has the mean zero-shot accuracy behind the perplexity.
"""
import argparse
import dataclasses
import datetime
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
    limit: int | None = None  # number of first lines or windows of the text
    samples: int = 128
    max_tokens: int = 1024


def embedded():
    return Setting(ROOT / "assets/tinystories-12l")


def real():
    model = pathlib.Path(run([ROOT / "tools/real_model.sh"]).strip())
    if not DATA.is_dir():
        return Setting(model, samples=32)
    return Setting(model, DATA / "text/c4-1000.jsonl", DATA / "text/wikitext2-test.txt", "windows:512", 40, 40, 512)


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


def single(*flags):
    return [*flags, "--shape-multiple", "1"]


SEEDS = ("1", "2", "3")


def with_repair(rows):
    return rows + [(f"{name}, repaired", [v + ["--repair", "least-squares"] for v in variants]) for name, variants in rows]


NEURONS = ["--rule", "mlp-only"]
CRITERIA = with_repair(
    [("random units (3 seeds)", [single("--criterion", "random", "--seed", s) for s in SEEDS])] +
    [(name, [single("--criterion", name)]) for name in
     ("magnitude", "amp", "wanda-sp", "fasp", "flap", "energy", "obs", "taylor", "fisher", "minitron")] +
    [("random neurons (3 seeds)", [single("--criterion", "random", *NEURONS, "--seed", s) for s in SEEDS]),
     ("amp, neurons", [single("--criterion", "amp", *NEURONS)]),
     ("wanda-sp, neurons", [single("--criterion", "wanda-sp", *NEURONS)]),
     ("cfsp, neurons", [single("--criterion", "cfsp")]),
     ("cfsp, neurons, relative: false", [single("--criterion", "cfsp", "--set", "cfsp-neurons.relative=false")]),
     ("cfsp, neurons, allocation cfsp", [single("--criterion", "cfsp", "--allocation", "cfsp")])])
CRITERIA.insert(CRITERIA.index(next(row for row in CRITERIA if row[0] == "flap")) + 1,
                ("flap, bias", [single("--criterion", "flap", "--repair", "bias")]))
ALLOCATIONS = with_repair(
    [(f"{criterion}, {allocation}", [single("--criterion", criterion, "--allocation", allocation)])
     for criterion in ("energy", "fisher", "wanda-sp", "flap")
     for allocation in ("uniform", "global", "global-per-cost", "global-mixed", "owl", "cfsp")])
DEPTH = with_repair(
    [(f"depth, {rule}", [["--depth-rule", rule]])
     for rule in ("third-from-last", "block-influence", "perplexity", "taylor", "magnitude")] +
    [("depth, random (3 seeds)", [["--depth-rule", "random", "--seed", s] for s in SEEDS])])
TABLES = {"method": RULES, "criteria": CRITERIA, "allocations": ALLOCATIONS, "depth": DEPTH}


def run(command):
    done = subprocess.run([str(c) for c in command], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def figures(args, setting, model):
    """Returns (perplexity, mean accuracy or None)."""
    judge = [args.mop, "eval", model, "--dtype", args.dtype, "--json"]
    part = ["--limit", setting.limit] if setting.limit else []
    said = json.loads(run([*judge, "--text", setting.text, "--protocol", setting.protocol, *part]))
    if not args.tasks:
        return said["perplexity"], None
    limit = ["--limit", args.limit] if args.limit else []
    scored = json.loads(run([*judge, "--tasks", args.tasks, "--data", DATA / "tasks", *limit]))
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


def processor():
    names = [line for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].split(":")[1].strip()


def machine(args):
    """Returns date, commit, processor and threads, as reports name them."""
    about = run([args.mop, "--version"]).splitlines()
    return f"{datetime.date.today()}, {', '.join(about)}, {processor()}, {os.cpu_count()} cores"


def table(args, setting, work):
    fractions = [float(f) for f in args.fractions.split(",")]
    part = f", the first {setting.limit}" if setting.limit else ""
    tasks = f"; tasks: {args.tasks}" + (f", the first {args.limit} records of each" if args.limit else "") if args.tasks else ""
    print(f"{machine(args)}\n\nmodel: {setting.model.name}; text: {setting.text.name}, {setting.protocol}{part}{tasks}; calibration: "
          f"{setting.samples} samples of {setting.calibration.name}; {args.dtype}; "
          f"dense: {number(figures(args, setting, setting.model))}\n", flush=True)
    print("| rule | " + " | ".join(f"{f:.0%} of the blocks" for f in fractions) + " |")
    print("|---" * (len(fractions) + 1) + "|")
    for name, variants in TABLES[args.table]:
        if args.rules and not any(wanted in name for wanted in args.rules):
            continue
        cells = []
        for fraction in fractions:
            values = []
            for flags in variants:
                with tempfile.TemporaryDirectory(dir=work) as folder:
                    out = pathlib.Path(folder) / "out"
                    run([args.mop, "prune", setting.model, "--out", out, "--calibration", setting.calibration, "--samples",
                         setting.samples, "--max-tokens", setting.max_tokens, "--remove", fraction, "--of", "blocks", "--dtype", args.dtype, *flags])
                    values.append(figures(args, setting, out))
                print(f"{name}, {fraction:.0%}: {number(values[-1])}", file=sys.stderr, flush=True)
            cells.append(cell(values))
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tinystories-12l", choices=MODELS)
    parser.add_argument("--mop", default=ROOT / "build/src/mop")
    parser.add_argument("--fractions", default="0.2,0.3,0.4")
    parser.add_argument("--text", type=pathlib.Path, help="another text")
    parser.add_argument("--windows", type=int, help="the first windows (or lines) of the text; default: the model's")
    parser.add_argument("--samples", type=int, help="calibration samples; default: the model's")
    parser.add_argument("--dtype", default="float32", help="compute dtype")
    parser.add_argument("--tasks", help="zero-shot tasks from MOP_TEST_DATA, too")
    parser.add_argument("--limit", type=int, help="the first records of each task")
    parser.add_argument("--table", default="method", choices=TABLES)
    parser.add_argument("--rules", nargs="*", help="only rows whose name has one of these")
    args = parser.parse_args()
    setting = MODELS[args.model]()
    with tempfile.TemporaryDirectory() as work:
        setting.text = args.text or setting.text
        setting.limit = args.windows or setting.limit
        setting.samples = args.samples or setting.samples
        table(args, setting, work)


if __name__ == "__main__":
    main()
