#!/usr/bin/env python3
"""Prints the equality tables: figures of mop and of lm_eval and transformers, in float32, from one run.

    tools/equality.py [MODEL] [--vs DENSE] [--data DIR] [--text FILE] [--limit N] [--bos auto,never]

Tasks and the protocol word are compared with lm_eval on the same local files; lines, windows:N and the comparison
with DENSE with transformers. Fails when a log-likelihood differs by more than 1e-3, an accuracy differs at all, or a
perplexity differs by more than 1e-4 (relative).
"""
import argparse
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tools" / "golden"), str(ROOT / "bench")]
import lm_eval_speed as speed  # noqa: E402
import tasks as reference  # noqa: E402


def mop_text(args, *more):
    command = [str(args.mop), "eval", str(args.model), "--dtype", "float32", "--json", *map(str, more)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def task_row(args, name, rule, tokenizer, folder):
    args.bos = rule
    ((ours, our_samples),) = speed.run_mop(args, [name], tokenizer, folder)[1].values()
    ((theirs, their_samples),) = speed.run_reference(args, [name], tokenizer)[1].values()
    requests, difference, greedy, _ = speed.compare(our_samples, their_samples)
    metric = next(key for key in ("acc,none", "word_perplexity,none") if key in theirs)
    equal = difference <= 1e-3 and greedy
    return [f"{name}, bos {rule}", str(requests), f"{difference:.1e}", f"{metric.split(',')[0]} {ours[metric]:.4f}",
            f"{theirs[metric]:.4f}", equal and speed.figures_equal(ours, theirs)]


def reads_our_results(folder):
    """Returns lm_eval's own table of the newest results that mop wrote."""
    from lm_eval.utils import make_table

    newest = max((folder / "mop").rglob("results_*.json"))
    return make_table(json.loads(newest.read_text()))


def protocol_rows(args, dense):
    import perplexity as plain
    from transformers import AutoModelForCausalLM, AutoTokenizer

    raw = args.text.read_bytes()
    model = AutoModelForCausalLM.from_pretrained(args.model, dtype="float32").eval()
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    context = model.config.max_position_embeddings
    for protocol in ("lines", "windows:128", f"windows:{context}"):
        ours = mop_text(args, "--text", args.text, "--protocol", protocol, *(["--vs", dense] if dense else []))
        if protocol == "lines":
            nll, tokens, _ = plain.score_lines(model, tokenizer, raw.decode())
        else:
            nll, tokens, _ = plain.score_windows(model, tokenizer, raw.decode(), int(protocol.partition(":")[2]))
        ratio = ours["perplexity"] / math.exp(nll)
        equal = abs(ratio - 1) <= 1e-4 and ours["scored_tokens"] == tokens
        yield [protocol, str(tokens), f"{abs(ratio - 1):.1e}", f"perplexity {ours['perplexity']:.5f}",
               f"{math.exp(nll):.5f}", equal]
        if dense:
            yield versus_row(args, dense, protocol, ours, model, tokenizer, raw.decode(), context)


def versus_row(args, dense, protocol, ours, model, tokenizer, text, context):
    import side_by_side as both
    from transformers import AutoModelForCausalLM

    other = AutoModelForCausalLM.from_pretrained(dense, dtype="float32").eval()
    if protocol == "lines":
        sequences = both.line_sequences(tokenizer, text, None, context)
    else:
        sequences = both.window_sequences(tokenizer, text, int(protocol.partition(":")[2]))
    theirs = both.compare(other, model, sequences)
    difference = abs(ours["kl"] - theirs["kl"])
    equal = difference <= 1e-4 and abs(ours["top1_agreement"] - theirs["agreement"]) <= 1e-3
    return [f"--vs, {protocol}", str(theirs["scored_tokens"]), f"{difference:.1e}",
            f"KL {ours['kl']:.6f}, agreement {ours['top1_agreement']:.4f}",
            f"{theirs['kl']:.6f}, {theirs['agreement']:.4f}", equal]


def show(row):
    *cells, equal = row
    print(f"{cells[0]:26} {cells[1]:>9} {cells[2]:>9}  {cells[3]:36} {cells[4]:24} {'equal' if equal else 'DIFFERENT'}",
          flush=True)
    return equal


def main():
    reference.enter_environment()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", type=pathlib.Path, default=ROOT / "assets/tinystories-12l")
    parser.add_argument("--vs", type=pathlib.Path)
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "tests/golden/tasks/data")
    parser.add_argument("--text", type=pathlib.Path, default=ROOT / "assets/text/generated-evaluation.txt")
    parser.add_argument("--tasks", default=",".join(reference.TASKS))
    parser.add_argument("--bos", default="auto,never")
    parser.add_argument("--limit", type=int)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--mop", type=pathlib.Path, default=ROOT / "build/src/mop")
    args = parser.parse_args()
    args.tokenizer, args.batch, args.bootstrap = "own", 32, 0
    import torch

    torch.set_num_threads(args.threads)
    rules = args.bos.split(",")
    equal = True
    print(f"{'what':26} {'scored':>9} {'max diff':>9}  {'mop':36} {'reference':24}")
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        for rule in rules:
            for name in args.tasks.split(","):
                if (args.data / reference.TASKS[name][1]).exists():
                    equal &= show(task_row(args, name, rule, None, folder))
        table = reads_our_results(folder)
    for row in protocol_rows(args, args.vs):
        equal &= show(row)
    print(f"\nthe last of mop's results as lm_eval shows it:\n{table}")
    sys.exit(0 if equal else 1)


if __name__ == "__main__":
    main()
