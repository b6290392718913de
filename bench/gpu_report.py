#!/usr/bin/env python3
"""bench/gpu_report.py RESULTS.jsonl [OUT.md]: formats the results of bench/gpu.sh as tables, beside the goals.

Writes bench/runs/DATE-gpu-CARD.md by default; OUT.md `-` prints. Marks missing measurements as such.
"""
import pathlib
import re
import sys

import gpu_results

ROOT = pathlib.Path(__file__).resolve().parents[1]


def number(value, digits=3):
    if not isinstance(value, (int, float)):
        return "not measured"
    if value and abs(value) < 0.001:
        return f"{value:.2e}"
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.{digits}g}"


def table(head, rows):
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (head, *rows)]
    return [lines[0], "|" + "---|" * len(head), *lines[1:], ""]


def look(figures, *path):
    """Returns figures[a][b]...; None when it is missing."""
    for part in path:
        try:
            figures = figures[part]
        except (KeyError, IndexError, TypeError):
            return None
    return figures


def times(value, factor):
    return None if value is None else value * factor


def quotient(a, b):
    return None if not a or not b else a / b


def resident(figures, kind):
    """Returns the seconds of a pass with weights on the card: the median of the repeats."""
    seconds = look(figures, kind, "seconds")
    return sorted(seconds)[len(seconds) // 2] if seconds else None


def goals(found):
    """Returns (what, goal, reached or None, whether it reaches the goal)."""
    passes, lora = found.get("pass7b", {}), found.get("lora7b", {})
    decode = look(found, "latency7b", "mop 12+128", "models")
    bandwidth = look(found, "machine", "d2d_read_and_write_gb_per_second")
    rows = []

    def add(what, goal, value, reached, unit=""):
        rows.append((what, goal, None if value is None else f"{number(value)}{unit}", None if value is None else reached(value)))

    add("7B, statistics pass of 128 x 128 tokens, resident", "0.5 s", resident(passes, "amp_pass"), lambda v: v <= 0.5, " s")
    add("the same, of the GEMM rate", "80%", times(look(passes, "amp_pass", "fraction_of_gemm"), 100), lambda v: v >= 80, "%")
    for step, name, limit in (("run7b-random", "random path", 30), ("run7b-perplexity", "by perplexity", 60)):
        seconds = look(found, step, "seconds")
        add(f"7B to 40% of the blocks, {name}, written", f"{limit} s", seconds, lambda v, limit=limit: v <= limit, " s")
    add("LoRA of a 7B, tokens/s of peft's", "1.3 times", look(lora, "ratio"), lambda v: v >= 1.3, " times")
    for index, name in ((-1, "dense"), (0, "pruned")):
        rate = times(look(decode, index, "decode_bandwidth"), 1e-9)
        add(f"decoding, 7B {name}, of the card's bandwidth", "70%", times(quotient(rate, bandwidth), 100), lambda v: v >= 70, "%")
    return rows


def pass_rows(figures):
    for kind, name in (("amp_pass", "statistics"), ("perplexity_pass", "perplexity")):
        upload = look(figures, f"{kind}_with_upload_seconds") or []
        each = look(figures, kind, "seconds") or []
        yield (name, number(resident(figures, kind)), ", ".join(map(number, each)), ", ".join(map(number, upload)),
               number(times(look(figures, kind, "gflop_per_second"), 1e-3)), number(look(figures, kind, "fraction_of_gemm")))


def run_rows(found):
    for step, name in (("run7b-random", "random path"), ("run7b-perplexity", "by perplexity")):
        figures = found.get(step, {})
        steps = sum(step["seconds"] for step in look(figures, "timing", "steps") or [])
        yield (name, number(look(figures, "seconds")), number(steps or None), number(look(figures, "timing", "finish_seconds")),
               look(figures, "steps") or "", look(figures, "shape") or "", number(look(figures, "peak_anonymous_gib")))


def latency_rows(figures):
    for key, value in sorted(figures.items()):
        if key.startswith("mop "):
            for model, name in zip(reversed(value["models"]), ("dense", "pruned")):
                first, token, total = (model[f"{part}_seconds"]["median"] for part in ("first_token", "token", "total"))
                yield ("mop", name, key[4:], number(1000 * first), number(1000 * token), number(total),
                       number(model["decode_bandwidth"] / 1e9))
        else:
            for request, t in value["requests"].items():
                yield (f"transformers {value['transformers']}", key.split()[-1], request, number(1000 * t["first_token_seconds"]),
                       number(1000 * t["token_seconds"]), number(t["total_seconds"]), "")


def machine_lines(figures):
    card = look(figures, "card") or {}
    facts = [f"driver {card['driver_version']}, {card['memory.total']}" if card else "",
             f"torch {figures['torch']}" if "torch" in figures else "",
             f"{figures['cores']} cores, {figures['memory_gib']} GiB: {figures['processor']}" if "cores" in figures else ""]
    rates = [(key, number(value)) for key, value in figures.items() if key.endswith(("_per_second", "_tflops"))]
    return [", ".join(filter(None, facts)) + ".", ""] + (table(["ceiling", "measured"], rates) if rates else [])


def step_rows(results):
    for result in results.values():
        card = result.get("card_figures", {})
        reason = f": {result['reason'][:160]}" if result.get("reason") else ""
        yield (result["step"], result["status"] + reason, f"{result['seconds']:.0f}", result["commit"],
               *(number(card[key]) if key in card else "" for key in ("peak_memory_mib", "mean_load_percent")))


def profile_lines(found):
    times = look(found, "kernel-times", "lines")
    lines = ["## Times of kernels", "", "```", *times, "```", ""] if times else []
    for step, figures in found.items():
        for name, value in figures.items() if step.startswith("profile") else ():
            lines += [f"{step}, {name}: {value['launches']} launches, {value['microseconds'] / 1000:.2f} ms by kernel.", ""]
            lines += table(["kernel", "launches", "ms"], [(f"`{cell(k['name'])[:90]}`", k["launches"], f"{k['microseconds'] / 1000:.3f}")
                                                          for k in value["kernels"]])
    return lines


def cell(text):
    """Escapes text for one cell of a table."""
    return re.sub(r"\s+", " ", str(text)).replace("|", "/")


def goal_lines(found):
    verdicts = {None: "", True: "reached", False: "missed"}
    rows = [(what, goal, value or "not measured", verdicts[good]) for what, goal, value, good in goals(found)]
    return ["## Goals", "", *table(["what", "goal", "measured", ""], rows)]


def check_lines(last):
    checks = [(c["name"], "ok" if c["ok"] else "**failed**", c["detail"]) for r in last.values() for c in r["checks"]]
    return ["## Checks", "", *table(["check", "", "detail"], [tuple(map(cell, c)) for c in checks])] if checks else []


def pass_lines(figures):
    rate = number(figures["gemm_gflop_per_second"] / 1000)
    return ["## Passes", "", f"{figures['samples']} x {figures['tokens']} tokens, {figures['dtype']}; products of the same shapes "
            f"{rate} TFLOP/s.", "", *table(["pass", "seconds, resident", "each", "with upload", "TFLOP/s", "of GEMM"], pass_rows(figures))]


def run_lines(found):
    head = ["selector", "seconds", "of it steps", "figures and writing", "steps", "shape", "anonymous memory, GiB"]
    return ["## Whole runs to 40% of the blocks", "", *table(head, run_rows(found))]


def lora_lines(figures):
    rows = [(name, number(run["tokens_per_second"]), number(run["losses"][0], 5), number(run["losses"][-1], 5))
            for name, run in ((name, figures[name]) for name in ("mop", "peft") if name in figures)]
    return ["## LoRA", "", f"{figures['steps']} steps of {figures['batch']} x {figures['accumulate']} samples of {figures['max_tokens']} "
            "tokens, bfloat16, rank 32.", "", *table(["program", "tokens/s", "first loss", "last loss"], rows)]


def latency_lines(figures):
    head = ["program", "model", "tokens", "first token, ms", "per token, ms", "request, s", "weights read, GB/s"]
    return ["## Latency", "", "Batch 1, greedy, bfloat16; transformers with sdpa and a dynamic cache, not compiled.", "",
            *table(head, latency_rows(figures))]


def report(results):
    """Returns Markdown of the last result of every step."""
    if not results:
        return "Nothing was run.\n"
    last = gpu_results.latest(results)
    found = {step: result["figures"] for step, result in last.items()}
    cards = sorted({r["card"] for r in last.values()})
    commits = list(dict.fromkeys(r["commit"] for r in last.values()))
    lines = [f"# {cards[-1]}", "", f"{results[-1]['date'][:10]}, commit {', '.join(commits)}, {' and '.join(cards)}. Made by "
             "bench/gpu.sh.", "", *machine_lines(found.get("machine", {}))]
    if any(not card.startswith("none") for card in cards):  # a rehearsal has no goals
        lines += goal_lines(found)
    head = ["step", "ended", "seconds", "commit", "peak memory, MiB", "load, %"]
    lines += ["## Steps", "", *table(head, [tuple(map(cell, row)) for row in step_rows(last)]), *check_lines(last)]
    if look(found, "pass7b", "amp_pass"):
        lines += pass_lines(found["pass7b"])
    if found.get("run7b-random") or found.get("run7b-perplexity"):
        lines += run_lines(found)
    if look(found, "lora7b", "mop"):
        lines += lora_lines(found["lora7b"])
    if found.get("latency7b"):
        lines += latency_lines(found["latency7b"])
    return "\n".join(lines + profile_lines(found))


def default_file(results):
    card = re.sub(r"[^a-z0-9]+", "-", re.sub(r"^NVIDIA ", "", results[-1]["card"]).lower()).strip("-")
    return ROOT / "bench/runs" / f"{results[-1]['date'][:10]}-gpu-{card}.md"


def main():
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    results = gpu_results.load(pathlib.Path(sys.argv[1]))
    if not results:
        sys.exit(f"error: no results in {sys.argv[1]}")
    text = report(results)
    if sys.argv[2:] == ["-"]:
        print(text)
        return
    file = pathlib.Path(sys.argv[2]) if len(sys.argv) == 3 else default_file(results)
    file.write_text(text, encoding="utf-8")
    print(file)


if __name__ == "__main__":
    main()
