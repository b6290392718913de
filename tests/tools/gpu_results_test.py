#!/usr/bin/env python3
"""Results of bench/gpu.sh are known by step, commit and card, and the report says what was measured and what was not."""
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "bench"))
import gpu_checks
import gpu_report
import gpu_results
import gpu_steps


def result(step, status="ok", commit="abc", card="NVIDIA H100", **figures):
    return {"step": step, "status": status, "commit": commit, "card": card, "seconds": 1.5, "date": "2026-01-02T03:04:05+00:00",
            "figures": figures, "checks": [{"name": "plan", "ok": status == "ok", "detail": "a|b"}],
            "card_figures": {"peak_memory_mib": 100}}


def expect(what, found, expected):
    if found != expected:
        sys.exit(f"{what}: found {found}, expected {expected}")


def a_step_is_done_for_its_commit_and_card_alone():
    results = [result("smoke"), result("equal", "failed")]
    expect("done", gpu_results.is_done(results, "smoke", "abc", "NVIDIA H100"), True)
    expect("failed", gpu_results.is_done(results, "equal", "abc", "NVIDIA H100"), False)
    expect("another commit", gpu_results.is_done(results, "smoke", "abd", "NVIDIA H100"), False)
    expect("another card", gpu_results.is_done(results, "smoke", "abc", "NVIDIA H200"), False)


def lines_cut_off_are_no_results(folder):
    file, earlier = folder / "results.jsonl", folder / "earlier.jsonl"
    gpu_results.write(earlier, [result("smoke")])
    gpu_results.write(file, [result("smoke"), result("equal")])
    with open(file, "a", encoding="utf-8") as stream:
        stream.write('{"step": "machine", "comm\n[1]\n')
    gpu_results.append(file, result("kernels"))
    expect("loaded", [r["step"] for r in gpu_results.load(earlier, file, folder / "none")], ["smoke", "equal", "kernels"])


def the_last_result_counts_unless_it_is_worse():
    results = [result("smoke", commit="old"), result("smoke", "failed"), result("equal"), result("equal", "out of time")]
    last = gpu_results.latest(results)
    expect("newer commit", last["smoke"]["commit"], "abc")
    expect("worse", last["equal"]["status"], "ok")


def the_report_sets_figures_beside_goals():
    amp = {"seconds": [0.45, 0.4, 0.6], "fraction_of_gemm": 0.75, "gflop_per_second": 5e5}
    models = [{"decode_bandwidth": 2.0e12, "first_token_seconds": {"median": 0.01}, "token_seconds": {"median": 0.005},
               "total_seconds": {"median": 0.7}}] * 2
    training = {program: {"tokens_per_second": 9, "losses": [2, 1]} for program in ("mop", "peft")}
    timing = {"steps": [{"step": 1, "seconds": 4}, {"step": 2, "seconds": 6}], "finish_seconds": 5}
    kernels = [{"name": "gemm<a|b>", "launches": 1, "microseconds": 2.0}]
    text = gpu_report.report([
        result("pass7b", amp_pass=amp, perplexity_pass=amp, samples=128, tokens=128, dtype="bfloat16", gemm_gflop_per_second=7e5),
        result("machine", d2d_read_and_write_gb_per_second=3000.0), result("latency7b", **{"mop 12+128": {"models": models}}),
        result("run7b-random", "failed", seconds=31.0, steps=2, shape="2 layers", timing=timing),
        result("lora7b", steps=2, batch=4, accumulate=4, max_tokens=8, ratio=1.5, **training),
        result("profile-pass", **{"pass": {"launches": 1, "microseconds": 2.0, "kernels": kernels}})])
    for line in ("| 7B, statistics pass of 128 x 128 tokens, resident | 0.5 s | 0.45 s | reached |",
                 "| the same, of the GEMM rate | 80% | 75% | missed |",
                 "| 7B to 40% of the blocks, random path, written | 30 s | 31 s | missed |",
                 "| 7B to 40% of the blocks, by perplexity, written | 60 s | not measured |  |",
                 "| decoding, 7B dense, of the card's bandwidth | 70% | 66.7% | missed |",
                 "| random path | 31 | 10 | 5 | 2 | 2 layers | not measured |",
                 "| LoRA of a 7B, tokens/s of peft's | 1.3 times | 1.5 times | reached |",
                 "| mop | 9 | 2 | 1 |", "| `gemm<a/b>` | 1 | 0.002 |", "| plan | **failed** | a/b |"):
        if line not in text:
            sys.exit(f"the report lacks: {line}\n{text}")


def steps_have_a_time_and_the_report_is_named_after_the_card():
    expect("in all at most", sum(gpu_steps.STEPS[name].seconds for name in gpu_steps.DEFAULT) <= 720, True)
    file = gpu_report.default_file([result("smoke", card="NVIDIA H100 80GB HBM3")])
    expect("file", file.name, "2026-01-02-gpu-h100-80gb-hbm3.md")


def plans_are_compared_unit_by_unit():
    plan = {"steps": [{"branch": "width", "layers": [{"layer": 2, "neurons": "1-3,7"}]},
                      {"branch": "depth", "layers": [{"layer": 5, "whole": True}]}]}
    expect("units", sorted(u[2:] for u in gpu_checks.units(plan)), [(2, "neurons", i) for i in (1, 2, 3, 7)] + [(5, "whole", 0)])


with tempfile.TemporaryDirectory() as name:
    lines_cut_off_are_no_results(pathlib.Path(name))
a_step_is_done_for_its_commit_and_card_alone()
the_last_result_counts_unless_it_is_worse()
the_report_sets_figures_beside_goals()
steps_have_a_time_and_the_report_is_named_after_the_card()
plans_are_compared_unit_by_unit()
