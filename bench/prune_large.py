#!/usr/bin/env python3
"""Measures anonymous memory and time of `mop prune` on a large checkpoint, with both candidates alive.

The selector `perplexity` builds and scores both branches of every step; --dtype bfloat16. Expected results: at most 3
GiB of anonymous memory for the 7B at 128 x 128 tokens, for any number of steps; the 13B, larger than this machine's
memory, completes its width step.
"""
import argparse
import json
import pathlib
import shutil
import tempfile

import measure

ROOT = pathlib.Path(__file__).resolve().parents[1]


def write_calibration(path, samples, vocabulary):
    """Writes lines of random words, which suffice for a random model."""
    words = [f"word{i}" for i in range(vocabulary)]
    with open(path, "w", encoding="ascii") as file:
        for s in range(samples):
            file.write(" ".join(words[(s * 31 + 7 * w) % vocabulary] for w in range(128)) + "\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path)
    parser.add_argument("--mop", type=pathlib.Path, default=ROOT / "build" / "src" / "mop")
    parser.add_argument("--iterations", type=int, default=2)
    parser.add_argument("--remove", type=float, help="a fraction of the blocks, in place of --iterations")
    parser.add_argument("--select", default="perplexity")
    parser.add_argument("--samples", type=int, default=128, help="for statistics; validation gets an eighth more")
    parser.add_argument("--tokens", type=int, default=128)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--work", type=pathlib.Path, help="folder for what the run writes (default: beside MODEL)")
    args = parser.parse_args()
    work = pathlib.Path(tempfile.mkdtemp(prefix="mop_memory_", dir=args.work or args.model.resolve().parent))
    try:
        # An eighth more lines: the validation samples follow those for statistics.
        write_calibration(work / "calibration.txt", args.samples + max(1, args.samples // 8), 997)
        command = [args.mop, "prune", args.model, "--out", work / "out", "--calibration", work / "calibration.txt",
                   "--samples", args.samples, "--max-tokens", args.tokens, "--select",
                   args.select, "--dtype", "bfloat16", "--device", args.device]
        if args.remove is not None:
            command += ["--remove", args.remove, "--of", "blocks"]
        else:
            command += ["--iterations", args.iterations]
        result = measure.run([str(part) for part in command])
        metrics = json.loads((work / "out/run/metrics.json").read_text(encoding="utf-8"))
    finally:
        shutil.rmtree(work)
    result.pop("out")
    result.update(model=str(args.model), iterations=args.iterations, remove=args.remove, select=args.select,
                  steps=len(metrics["steps"]), shape=metrics["pruned"]["shape"], timing=metrics["timing"])
    result["peak_anonymous_gib"] = result["peak_anonymous_bytes"] / 2**30
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
