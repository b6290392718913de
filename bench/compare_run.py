#!/usr/bin/env python3
"""Compares `mop prune` with the procedure of the released scripts, on the embedded model to 40% of its blocks.

Both use the same path, budget rule, calibration file, number of samples, threads and dtype (the released scripts for
grouped queries compute in bfloat16), and run alternately. Expected result: `ratio` of at least 10, whole process
against whole process. `ratio_without_imports` excludes Python's imports but includes our start-up.
`ratio_bare_forward` also excludes the scripts' text-generation pipeline.
"""
import argparse
import json
import pathlib
import shutil
import statistics
import tempfile

import measure

ROOT = pathlib.Path(__file__).resolve().parents[1]


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mop", type=pathlib.Path, default=ROOT / "build" / "src" / "mop")
    parser.add_argument("--python", type=pathlib.Path, default=ROOT / ".env" / "reference" / "bin" / "python")
    parser.add_argument("--model", type=pathlib.Path, default=ROOT / "assets" / "tinystories-12l")
    parser.add_argument("--calibration", default=ROOT / "assets" / "text" / "generated-calibration.txt")
    parser.add_argument("--path", default="LGGLLL")
    parser.add_argument("--iterations", type=int, default=6, help="6 steps of LGGLLL pass 40%% of the blocks")
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", default="bfloat16")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--foreign-limit", type=float, default=0.05)
    return parser.parse_args()


def mop_command(args, out):
    return [args.mop, "prune", args.model, "--out", out, "--calibration", args.calibration, "--samples", args.samples,
            "--iterations", args.iterations, "--select", f"path:{args.path}", "--budget", "released", "--threads",
            args.threads, "--dtype", args.dtype, "--force"]  # a disturbed run is taken again


def baseline_command(args, out, *more):
    return [args.python, ROOT / "bench" / "released_baseline.py", args.model, "--out", out, "--calibration",
            args.calibration, "--samples", args.samples, "--iterations", args.iterations, "--path", args.path,
            "--threads", args.threads, "--dtype", args.dtype, *more]


def timed(command, args):
    return measure.run_quiet([str(part) for part in command], args.foreign_limit, environment={"HF_HUB_OFFLINE": "1"})


def block_parameters(args, folder):
    out = measure.run([str(args.mop), "inspect", str(folder), "--json"])["out"]
    return measure.last_json(out)["block_parameters"]


def main():
    args = parse()
    work = pathlib.Path(tempfile.mkdtemp(prefix="mop_compare_"))
    ours, theirs, without_imports, bare, blocks = [], [], [], [], None
    try:
        for turn in range(args.repeats):
            ours.append(timed(mop_command(args, work / f"ours-{turn}"), args))
            theirs.append(timed(baseline_command(args, work / f"theirs-{turn}"), args))
            report = measure.last_json(theirs[-1]["out"])
            without_imports.append(report["run_seconds"])
            bare_run = timed(baseline_command(args, work / f"bare-{turn}", "--bare-forward"), args)
            bare.append(measure.last_json(bare_run["out"])["run_seconds"])
            blocks = (block_parameters(args, work / f"ours-{turn}"), report["block_parameters"])
            dense = block_parameters(args, args.model)
    finally:
        shutil.rmtree(work)
    our_seconds = statistics.median(r["seconds"] for r in ours)
    print(
        json.dumps(
            {
                "ratio": statistics.median(r["seconds"] for r in theirs) / our_seconds,
                "ratio_without_imports": statistics.median(without_imports) / our_seconds,
                "ratio_bare_forward": statistics.median(bare) / our_seconds,
                "mop_seconds": [r["seconds"] for r in ours],
                "released_seconds": [r["seconds"] for r in theirs],
                "released_seconds_without_imports": without_imports,
                "released_seconds_bare_forward": bare,
                "released_parts": report["parts"],
                "block_removed_fraction": {"mop": 1 - blocks[0] / dense, "released": 1 - blocks[1] / dense},
                "foreign_load": [r["foreign_load"] for r in ours + theirs],
                "threads": args.threads,
                "dtype": args.dtype,
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
