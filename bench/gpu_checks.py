"""Steps of bench/gpu.sh that check whether a GPU gives the same results as the CPU: on the embedded model, in float32
unless stated otherwise. They run in parallel, since starting CUDA takes seconds and a card serves several processes."""
import concurrent.futures
import json
import math
import os
import pathlib
import re
import shutil
import struct

ROOT = pathlib.Path(__file__).resolve().parents[1]
TINY = ROOT / "assets/tinystories-12l"
EVALUATION = ROOT / "assets/text/generated-evaluation.txt"
CALIBRATION = ROOT / "assets/text/generated-calibration.txt"
SCORES = ["--criterion", "amp-heads,amp-neurons"]
# Test suites, as in tools/prepare_device.sh, except those that use LibTorch before CUDA is loaded: LibTorch would
# then cache that there is no GPU.
TEST_FILTER = "*Cuda*.*-*CudaSource*"


def side_by_side(*jobs):
    """Runs functions in parallel, as many as there are cores; returns their results in order. Raises the first error
    after all have ended."""
    with concurrent.futures.ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        return [future.result() for future in [pool.submit(job) for job in jobs]]


def few_threads():
    return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // 4))}


def first_lines(visit, text, count):
    """Writes a file with the first lines of a text; parallel steps write the same content."""
    file = visit.output / f"{text.stem}-{count}.txt"
    if not file.exists():
        file.write_text("".join(text.read_text(encoding="utf-8").splitlines(keepends=True)[:count]), encoding="utf-8")
    return file


def both(visit, name, arguments):
    """Returns the output of `mop arguments(device)` on the visit's device and on the CPU."""
    def on(where, device):
        return visit.mop(f"{name}-{where}", *arguments(device, where), environment=few_threads())
    return side_by_side(lambda: on("device", visit.device), lambda: on("cpu", "cpu"))


def relative(a, b):
    return abs(a - b) / max(abs(b), 1e-300)


def worst_text(worst):
    return f"worst relative difference {worst:.1e}, allowed 1e-04"


def sets(*settings):
    return [part for text in settings for part in ("--set", text)]


def tensors(file):
    """Returns {name: numbers} of a safetensors file of float32 or float64."""
    data = file.read_bytes()
    length = struct.unpack("<Q", data[:8])[0]
    header, found = json.loads(data[8 : 8 + length]), {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = (8 + length + offset for offset in entry["data_offsets"])
            size, letter = {"F32": (4, "f"), "F64": (8, "d")}[entry["dtype"]]
            found[name] = struct.unpack(f"<{(end - begin) // size}{letter}", data[begin:end])
    return found


def units(plan):
    """Returns what a plan removes: {(step, branch, layer, kind, index)}."""
    found = set()
    for number, step in enumerate(plan["steps"]):
        for layer in step["layers"]:
            for kind, value in layer.items():
                if isinstance(value, str):
                    for run in value.split(","):
                        first, _, last = run.partition("-")
                        indices = range(int(first), int(last or first) + 1)
                        found |= {(number, step["branch"], layer["layer"], kind, i) for i in indices}
                elif kind == "whole":
                    found.add((number, step["branch"], layer["layer"], kind, 0))
    return found


def losses(folder):
    lines = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def smoke(visit):
    said = visit.mop("version", "--version").out.split("\n")
    visit.figures["version"] = said[:3]
    prompt = ["generate", TINY, "--prompt", "once upon a time", "--max-new-tokens", 20, "--device", visit.device]
    first = visit.mop("generate", *prompt)
    # Without NVIDIA's folders in LD_LIBRARY_PATH, as most users run it.
    bare = visit.mop("generate-bare", *prompt, environment=visit.environment(bare=True))
    seconds = [round(first.seconds, 2), round(bare.seconds, 2)]
    visit.figures.update(text=first.out.strip(), start_seconds=seconds, said=bare.err.strip()[-600:])
    visit.check("generates", len(first.out.split()) > 5, first.out.strip()[:80])
    visit.check("generates without NVIDIA's folders in LD_LIBRARY_PATH", bare.out == first.out)


def kernels(visit):
    if not visit.test_programs():
        raise RuntimeError("there are no test programs")

    def one(program):
        said = visit.run(program.name, [program, f"--gtest_filter={TEST_FILTER}", "--gtest_brief=1"], allow_failure=True)
        return program.name, said
    for name, said in side_by_side(*[lambda program=program: one(program) for program in visit.test_programs()]):
        counts = {word.lower(): int((re.search(rf"\[  {word} +\] (\d+) test", said.out) or [0, 0])[1])
                  for word in ("PASSED", "SKIPPED", "FAILED")}
        visit.figures[name] = counts
        bad = sorted(set(re.findall(r"^\[  FAILED  \] ([\w./]+)", said.out, re.M)))
        detail = f"{counts['passed']} passed, {counts['skipped']} skipped" + (f"; failed: {', '.join(bad)}" if bad else "")
        if said.code not in (0, 1):
            detail += f"; ended with {said.code}: {said.err.strip()[-200:]}"
        visit.check(f"tests of {name}", said.code == 0 and (visit.rehearsal or counts["passed"] > 0), detail)


def kernel_times(visit):
    """Runs the kernel tests and returns the times they print, with those of LibTorch's operations."""
    command = [visit.program("test_model"), "--gtest_filter=*CudaTimes*", "--gtest_brief=1"]
    said = visit.run("times", command, {"MOP_CUDA_TIMES": "1"})
    visit.figures["lines"] = [line.rstrip() for line in said.out.splitlines() if line.startswith(" ")]


def equal_perplexity(visit):
    text = first_lines(visit, EVALUATION, 8 if visit.rehearsal else 100)

    def arguments(dtype):
        return lambda device, where: ["eval", TINY, "--text", text, "--protocol", "lines", "--json", "--device", device,
                                      "--dtype", dtype if where == "device" else "float32"]
    for dtype, allowed in (("float32", 1e-4), ("bfloat16", 1e-2)):
        got, want = (said.json()["perplexity"] for said in both(visit, f"perplexity-{dtype}", arguments(dtype)))
        apart = relative(got, want)
        visit.check(f"perplexity, {dtype}", apart <= allowed, f"{got:.6f} against {want:.6f}: {apart:.1e}, allowed {allowed:.0e}")


def equal_scores(visit):
    files = {where: visit.output / f"scores-{where}.safetensors" for where in ("device", "cpu")}
    samples = 8 if visit.rehearsal else 64
    both(visit, "scores", lambda device, where: ["score", TINY, *SCORES, "--calibration", CALIBRATION, "--samples", samples,
                                                 "--dtype", "float32", "--device", device, "--out", files[where]])
    got, want = (tensors(files[where]) for where in ("device", "cpu"))
    same_names = got.keys() == want.keys()
    worst = max((relative(a, b) for name in want for a, b in zip(got.get(name, ()), want[name])), default=math.inf)
    visit.check("scores, amp-heads and amp-neurons", same_names and worst <= 1e-4, worst_text(worst))


def equal_plan(visit, select):
    name = f"plan-{select.replace(':', '-')}"
    outs = {where: visit.output / f"{name}-{where}" for where in ("device", "cpu")}
    samples = 8 if visit.rehearsal else 32
    both(visit, name, lambda device, where: ["prune", TINY, "--calibration", CALIBRATION, "--remove", 0.4, "--of", "blocks",
                                             "--select", select, "--samples", samples, "--dtype", "float32", "--device", device,
                                             "--out", outs[where], "--force"])
    got, want = (json.loads((outs[where] / "run/plan.json").read_text(encoding="utf-8")) for where in ("device", "cpu"))
    other = units(got) ^ units(want)
    paths = ["".join(step["branch"][0] for step in plan["steps"]) for plan in (got, want)]
    some = f", such as {sorted(other)[:4]}" if other else ""
    visit.check(f"plan, {select}", got["steps"] == want["steps"],
                f"{paths[0]} against {paths[1]}; {len(other)} of {len(units(want))} units differ{some}")


def equal_text(visit):
    got, want = both(visit, "greedy", lambda device, where: ["generate", TINY, "--prompt", "once upon a time", "--max-new-tokens", 40,
                                                             "--dtype", "float32", "--device", device])
    detail = "" if got.out == want.out else f"'{got.out.strip()[:60]}' against '{want.out.strip()[:60]}'"
    visit.check("greedy text", got.out == want.out, detail)


def equal_training(visit, name, settings):
    """Compares the losses of a few steps. Two runs on the device must be bit-identical."""
    def train(where, device):
        out = visit.output / f"train-{name}-{where}"
        shutil.rmtree(out, ignore_errors=True)
        tokens = 1100 if visit.rehearsal else 3000
        visit.mop(f"train-{name}-{where}", "recover", TINY, "--data", CALIBRATION, "--out", out, "--tokens", tokens, "--max-tokens", 128,
                  "--dtype", "float32", "--device", device, *sets("validation.samples=0", "accumulate=4", *settings), "--force",
                  environment=few_threads())
        return losses(out)
    got, again, want = side_by_side(*[lambda run=run: train(*run) for run in (("device", visit.device), ("again", visit.device),
                                                                             ("cpu", "cpu"))])
    worst = max((relative(a, b) for a, b in zip(got, want)), default=math.inf)
    visit.figures[f"losses of {name}"] = {"device": got, "cpu": want}
    visit.check(f"losses, {name}", len(got) == len(want) and worst <= 1e-4, f"{len(got)} steps, {worst_text(worst)}")
    visit.check(f"losses, {name}, the same twice", got == again)


def equal(visit):
    jobs = {"perplexity": equal_perplexity, "scores": equal_scores, "plan, path": lambda v: equal_plan(v, "path:LGGLLL"),
            "plan, kl": lambda v: equal_plan(v, "kl"), "text": equal_text,
            "LoRA": lambda v: equal_training(v, "LoRA without dropout", ["lora.dropout=0"]),
            "dropout": lambda v: equal_training(v, "LoRA with dropout", ["lora.dropout=0.1"]),
            "full": lambda v: equal_training(v, "full", ["method=full"])}

    def guarded(name, job):
        try:
            job(visit)
        except Exception as error:  # the other comparisons are still useful
            visit.check(f"{name} could be compared", False, f"{type(error).__name__}: {error}"[:300])
    side_by_side(*[lambda item=item: guarded(*item) for item in jobs.items()])


def sanitizer():
    found = shutil.which("compute-sanitizer")
    return found or next(map(str, sorted(pathlib.Path("/usr/local").glob("cuda*/bin/compute-sanitizer"))), None)


def memcheck(visit):
    tool, prefix = sanitizer(), []
    if not visit.rehearsal:
        if tool is None:
            raise RuntimeError("compute-sanitizer is not here")
        prefix = [tool, "--tool", "memcheck", "--error-exitcode", "77", "--print-limit", "20"]
    short = ["--calibration", CALIBRATION, "--samples", 2, "--max-tokens", 48]
    jobs = {
        "generate": ["generate", TINY, "--prompt", "once upon a time", "--max-new-tokens", 4],
        "score": ["score", TINY, *SCORES, *short, "--out", visit.output / "memcheck.safetensors"],
        "recover": ["recover", TINY, "--data", CALIBRATION, "--tokens", 300, "--max-tokens", 64,
                    *sets("accumulate=2", "validation.samples=0"), "--out", visit.output / "memcheck-recover", "--force"],
        "prune": ["prune", TINY, *short, "--iterations", 2, "--select", "path:LG", "--out", visit.output / "memcheck-prune",
                  "--force"],
    }

    # Without the allocator's cache, reads beyond a tensor access unmapped memory and are detected.
    environment = {**visit.environment(), "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}

    def one(name, arguments):
        try:
            command = [*prefix, visit.program("mop"), *arguments, "--device", visit.device]
            said = visit.run(name, command, environment, allow_failure=True)
        except Exception as error:  # reported as a failed check: the others may have finished
            return visit.check(f"memcheck, {name}", False, f"{type(error).__name__}: {error}")
        found = re.findall(r"^========= (.*)", said.out + said.err, re.M)
        return visit.check(f"memcheck, {name}", said.code == 0, " | ".join(found[-1:] if said.code == 0 else found[:6])[:500])
    side_by_side(*[lambda item=item: one(*item) for item in jobs.items()])
