#!/usr/bin/env python3
"""mop eval --tasks against lm_eval on the same files, model, machine and threads, in one run.

    bench/lm_eval_speed.py [MODEL] [--data DIR] [--tasks a,b] [--limit N] [--repeat 3] [--threads N]
                           [--dtype float32|bfloat16] [--together]

Prints, for every task, the largest difference of a request's log-likelihood, whether all figures are equal, the
seconds that each took, and their ratio. lm_eval's time is that of its evaluation alone (its model is loaded, its data
read); ours is the whole program, from its start to the written samples. In float32 both give the same figures,
bootstrapped standard errors included; in bfloat16, lm_eval's default for a checkpoint stored so, both round.
--together gives all tasks to one command of each, so that our start, which counts, is paid once.
--bootstrap 0 spares lm_eval, and only lm_eval, the bootstrap. The two take turns; medians.

A model folder without tokenizer.json is read by lm_eval as transformers does by default: through the tokenizer.json
that transformers makes of tokenizer.model. That file is then given to both (--tokenizer), so that both see the same
ids; --tokenizer own leaves each its own reader of tokenizer.model (sentencepiece for both).
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools" / "golden"))
import tasks as reference  # noqa: E402


def run_mop(args, names, tokenizer, folder, dtype="float32"):
    """Returns (seconds, {task: (figures, samples)})."""
    command = [str(args.mop), "eval", str(args.model), "--tasks", ",".join(names), "--data", str(args.data), "--bos", args.bos,
               "--dtype", dtype, "--out", str(folder / "mop"), "--log-samples", "--json"]
    command += ["--limit", str(args.limit)] if args.limit else []
    command += ["--tokenizer", str(tokenizer)] if tokenizer else []
    start = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr)
    result = json.loads(done.stdout)
    answers = {}
    for task, figures in result["results"].items():
        newest = max((folder / "mop").rglob(f"samples_{task}_2*.jsonl"))
        answers[task] = figures, [json.loads(line) for line in newest.read_text().splitlines()]
    return seconds, answers


def run_reference(args, names, tokenizer, dtype="float32"):
    import lm_eval.evaluator as evaluator

    timed = []
    inner = evaluator.evaluate

    def evaluate(*positional, **keywords):
        start = time.perf_counter()
        result = inner(*positional, **keywords)
        timed.append(time.perf_counter() - start)
        return result

    evaluator.evaluate = evaluate
    try:
        result = reference.evaluate(args.model, args.data, names, args.bos, limit=args.limit, batch_size=args.batch,
                                    dtype=dtype, tokenizer=tokenizer, bootstrap_iters=args.bootstrap)
    finally:
        evaluator.evaluate = inner
    return timed[0], {task: (figures, result["samples"][task]) for task, figures in result["results"].items()}


def compare(ours, theirs):
    """Returns (requests, max |difference|, greedy flags equal, hashes equal)."""
    difference, requests, greedy = 0.0, 0, True
    for mine, other in zip(reference.items_of(ours), reference.items_of(theirs), strict=True):
        for a, b in zip(mine[1], other[1], strict=True):
            difference = max(difference, abs(a - b))
            requests += 1
        greedy &= mine[2] == other[2]
    keys = ("doc_hash", "prompt_hash", "target_hash")
    hashes = all(a[k] == b[k] for a, b in zip(ours, theirs, strict=True) for k in keys)
    return requests, difference, greedy, hashes


def figures_equal(ours, theirs):
    for key, value in theirs.items():
        if "," not in key or "_stderr" in key:
            continue
        tolerance = 0 if key.startswith("acc") else 1e-4 * abs(value)
        if abs(ours[key] - value) > tolerance:
            return False
    return True


def shared_tokenizer(args, folder):
    if args.tokenizer == "own" or (args.model / "tokenizer.json").exists():
        return None
    from transformers import AutoTokenizer

    AutoTokenizer.from_pretrained(str(args.model)).save_pretrained(str(folder / "tokenizer"))
    return folder / "tokenizer"


def measure(args, names, tokenizer, folder):
    ours, theirs = [], []
    for _ in range(args.repeat):
        ours.append(run_mop(args, names, tokenizer, folder, args.dtype))
        theirs.append(run_reference(args, names, tokenizer, args.dtype))
    a, b = (statistics.median(run[0] for run in runs) for runs in (ours, theirs))
    for (task, (figures, samples)), (_, other) in zip(sorted(ours[-1][1].items()), sorted(theirs[-1][1].items()),
                                                      strict=True):
        requests, difference, greedy, hashes = compare(samples, other[1])
        row = {
            "task": task,
            "records": len(samples),
            "requests": requests,
            "max_difference": difference,
            "figures_equal": figures_equal(figures, other[0]),
            "greedy_equal": greedy,
            "hashes_equal": hashes,
        }
        print(row, flush=True)
        yield row
    total = {"tasks": names, "mop_s": round(a, 3), "lm_eval_s": round(b, 3), "ratio": round(b / a, 2)}
    print(total, flush=True)
    yield total


def main():
    reference.enter_environment()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=ROOT / "assets/tinystories-12l")
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "tests/golden/tasks/data")
    parser.add_argument("--tasks", default=",".join(reference.TASKS))
    parser.add_argument("--limit", type=int)
    parser.add_argument("--bos", default="auto")
    parser.add_argument("--batch", type=int, default=32, help="lm_eval's batch size")
    parser.add_argument("--bootstrap", type=int, default=100000, help="lm_eval's bootstrap draws (its default; ours are as many)")
    parser.add_argument("--dtype", default="float32", help="bfloat16: lm_eval's own default for this model")
    parser.add_argument("--together", action="store_true")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--tokenizer", choices=["fast", "own"], default="fast")
    parser.add_argument("--mop", type=pathlib.Path, default=ROOT / "build/src/mop")
    parser.add_argument("--json", type=pathlib.Path)
    args = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(args.threads)
    import torch

    torch.set_num_threads(args.threads)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        tokenizer = shared_tokenizer(args, folder)
        names = [n for n in args.tasks.split(",") if (args.data / reference.TASKS[n][1]).exists()]
        for group in [names] if args.together else [[name] for name in names]:
            rows += measure(args, group, tokenizer, folder)
    total = [sum(row.get(key, 0) for row in rows) for key in ("mop_s", "lm_eval_s")]
    print(f"all: mop {total[0]:.2f} s, lm_eval {total[1]:.2f} s, ratio {total[1] / total[0]:.2f}")
    if args.json:
        args.json.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
