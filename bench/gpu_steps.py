"""The steps of bench/gpu.sh: each fills `visit.figures` and makes `visit.check`s. See gpu_run.py for what a visit can do.

Comparisons of GPU and CPU run on the embedded model, in float32 unless they say otherwise, side by side: a start with
CUDA takes seconds, and the card serves several processes. Figures come from a random checkpoint of a 7B's shape (in a
rehearsal: of a small one), one process at a time.
"""
import concurrent.futures
import csv
import dataclasses
import json
import math
import os
import pathlib
import re
import shutil
import struct
import subprocess
import threading
import time
import typing

ROOT = pathlib.Path(__file__).resolve().parents[1]
TINY = ROOT / "assets/tinystories-12l"
EVALUATION = ROOT / "assets/text/generated-evaluation.txt"
CALIBRATION = ROOT / "assets/text/generated-calibration.txt"
TEST_FILTER = "*Cuda*.*"  # suites, as tools/prepare_device.sh finds them


@dataclasses.dataclass
class Step:
    what: str
    seconds: int  # at most
    work: typing.Callable
    large: bool = False  # needs the 7B


# ---- helpers


def side_by_side(*jobs):
    """Runs functions at once, as the cores allow; their results in order. The first error is ours when all have ended."""
    with concurrent.futures.ThreadPoolExecutor(max(2, os.cpu_count() or 2)) as pool:
        return [future.result() for future in [pool.submit(job) for job in jobs]]


def few_threads():
    return {"OMP_NUM_THREADS": str(max(1, (os.cpu_count() or 1) // 4))}


def first_lines(visit, text, count):
    """A file of the first lines of a text; two steps at once write the same."""
    file = visit.output / f"{text.stem}-{count}.txt"
    if not file.exists():
        file.write_text("".join(text.read_text(encoding="utf-8").splitlines(keepends=True)[:count]), encoding="utf-8")
    return file


def both(visit, name, arguments):
    """What `mop arguments(device)` says on the visit's device and on the CPU."""
    def on(where, device):
        return visit.mop(f"{name}-{where}", *arguments(device, where), environment=few_threads())
    return side_by_side(lambda: on("device", visit.device), lambda: on("cpu", "cpu"))


def relative(a, b):
    return abs(a - b) / max(abs(b), 1e-300)


def tensors(file):
    """{name: numbers} of a safetensors file of float32 or float64."""
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
    """What a plan removes: {(step, branch, layer, kind, index)}."""
    found = set()
    for number, step in enumerate(plan["steps"]):
        for layer in step["layers"]:
            for kind, value in layer.items():
                if isinstance(value, str):
                    for run in value.split(","):
                        first, _, last = run.partition("-")
                        found |= {(number, step["branch"], layer["layer"], kind, i) for i in range(int(first), int(last or first) + 1)}
                elif kind == "whole":
                    found.add((number, step["branch"], layer["layer"], kind, 0))
    return found


def losses(folder):
    lines = [json.loads(line) for line in (folder / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


# ---- the large checkpoint, made while other steps run


class Checkpoint:
    """The random checkpoint that speed is measured on; written in the background."""

    def __init__(self, visit, wanted):
        self.shape = "llama-15m" if visit.rehearsal else "llama-7b"
        self.folder, self.error, self.seconds, self.process = visit.work / self.shape, None, 0.0, None
        self.thread = threading.Thread(target=self._make, args=(visit,), daemon=True)
        if wanted and not self.folder.exists():
            self.thread.start()

    def _make(self, visit):
        part, start = self.folder.with_suffix(".part"), time.monotonic()
        try:
            shutil.rmtree(part, ignore_errors=True)
            command = [visit.program("mop_random_checkpoint"), self.shape, part, "--tokenizer", TINY]
            self.process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                            env={**os.environ, **visit.environment()})
            said = self.process.communicate()[0]
            if self.process.returncode != 0:
                raise RuntimeError(said[-500:])
            part.rename(self.folder)
            self.seconds = time.monotonic() - start
        except Exception as error:  # told to the step that needs the checkpoint
            self.error = error

    def get(self, visit):
        if self.thread.ident is not None:
            self.thread.join(max(0.0, visit.left()))
        if self.error is not None or not self.folder.exists():
            raise RuntimeError(f"no checkpoint of {self.shape}: {self.error or 'it is not written yet'}")
        return self.folder

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            self.process.wait()


def start_checkpoint(visit, names):
    return Checkpoint(visit, any(STEPS[name].large for name in names))


def large(visit):
    return visit.background.get(visit)


def pruned(visit):
    """The large model with 40% of its blocks removed: that of run7b-random, or made here."""
    folder = visit.output / "pruned"
    if not folder.exists():
        text = visit.output / "few.txt"
        text.write_text("".join(f"word{i} word{i + 1} word{i + 2}\n" for i in range(8)), encoding="ascii")
        visit.mop("prune", "prune", large(visit), "--out", folder, "--calibration", text, "--samples", 8, "--max-tokens", 16, "--remove",
                  0.4, "--of", "blocks", "--select", "path:LG", "--dtype", "bfloat16", "--device", visit.device, "--force")
    return folder


# ---- correctness


def smoke(visit):
    said = visit.mop("version", "--version").out.split("\n")
    visit.figures["version"] = said[:3]
    prompt = ["generate", TINY, "--prompt", "once upon a time", "--max-new-tokens", 20, "--device", visit.device]
    first = visit.mop("generate", *prompt)
    # Without NVIDIA's folders in LD_LIBRARY_PATH, as most people start it.
    bare = visit.mop("generate-bare", *prompt, environment=visit.environment(bare=True))
    visit.figures.update(text=first.out.strip(), start_seconds=[round(first.seconds, 2), round(bare.seconds, 2)], said=bare.err.strip()[-600:])
    visit.check("generates", len(first.out.split()) > 5, first.out.strip()[:80])
    visit.check("generates without NVIDIA's folders in LD_LIBRARY_PATH", bare.out == first.out)


def kernels(visit):
    if not visit.test_programs():
        raise RuntimeError("there are no test programs")

    def one(program):
        said = visit.run(program.name, [program, f"--gtest_filter={TEST_FILTER}", "--gtest_brief=1"], allow_failure=True)
        return program.name, said
    for name, said in side_by_side(*[lambda program=program: one(program) for program in visit.test_programs()]):
        counts = {word.lower(): int((re.search(rf"\[  {word} +\] (\d+) test", said.out) or [0, 0])[1]) for word in ("PASSED", "SKIPPED", "FAILED")}
        visit.figures[name] = counts
        bad = sorted(set(re.findall(r"^\[  FAILED  \] ([\w./]+)", said.out, re.M)))
        detail = f"{counts['passed']} passed, {counts['skipped']} skipped" + (f"; failed: {', '.join(bad)}" if bad else "")
        if said.code not in (0, 1):
            detail += f"; ended with {said.code}: {said.err.strip()[-200:]}"
        visit.check(f"tests of {name}", said.code == 0 and (visit.rehearsal or counts["passed"] > 0), detail)


def equal_perplexity(visit):
    text = first_lines(visit, EVALUATION, 8 if visit.rehearsal else 100)

    def arguments(dtype):
        return lambda device, where: ["eval", TINY, "--text", text, "--protocol", "lines", "--json", "--device", device, "--dtype",
                                      dtype if where == "device" else "float32"]
    for dtype, allowed in (("float32", 1e-4), ("bfloat16", 1e-2)):
        got, want = (said.json()["perplexity"] for said in both(visit, f"perplexity-{dtype}", arguments(dtype)))
        visit.check(f"perplexity, {dtype}", relative(got, want) <= allowed, f"{got:.6f} against {want:.6f}: {relative(got, want):.1e}, allowed {allowed:.0e}")


def equal_scores(visit):
    files = {where: visit.output / f"scores-{where}.safetensors" for where in ("device", "cpu")}
    both(visit, "scores", lambda device, where: ["score", TINY, "--criterion", "amp-heads,amp-neurons", "--calibration", CALIBRATION, "--dtype",
                                                 "float32", "--samples", 8 if visit.rehearsal else 64, "--device", device, "--out", files[where]])
    got, want = (tensors(files[where]) for where in ("device", "cpu"))
    same_names = got.keys() == want.keys()
    worst = max((relative(a, b) for name in want for a, b in zip(got.get(name, ()), want[name])), default=math.inf)
    visit.check("scores, amp-heads and amp-neurons", same_names and worst <= 1e-4, f"worst relative difference {worst:.1e}, allowed 1e-04")


def equal_plan(visit, select):
    outs = {where: visit.output / f"plan-{select.replace(':', '-')}-{where}" for where in ("device", "cpu")}
    both(visit, f"plan-{select.replace(':', '-')}",
         lambda device, where: ["prune", TINY, "--calibration", CALIBRATION, "--remove", 0.4, "--of", "blocks", "--select", select, "--samples",
                                8 if visit.rehearsal else 32, "--dtype", "float32", "--device", device, "--out", outs[where], "--force"])
    got, want = (json.loads((outs[where] / "run/plan.json").read_text(encoding="utf-8")) for where in ("device", "cpu"))
    other = units(got) ^ units(want)
    paths = ["".join(step["branch"][0] for step in plan["steps"]) for plan in (got, want)]
    visit.check(f"plan, {select}", got["steps"] == want["steps"],
                f"{paths[0]} against {paths[1]}; {len(other)} of {len(units(want))} units differ {sorted(other)[:4] if other else ''}")


def equal_text(visit):
    got, want = both(visit, "greedy", lambda device, where: ["generate", TINY, "--prompt", "once upon a time", "--max-new-tokens", 40, "--dtype",
                                                             "float32", "--device", device])
    visit.check("greedy text", got.out == want.out, "" if got.out == want.out else f"'{got.out.strip()[:60]}' against '{want.out.strip()[:60]}'")


def equal_training(visit, name, settings):
    """The losses of a few steps; on the device twice, which must be equal to the last bit."""
    def train(where, device):
        out = visit.output / f"train-{name}-{where}"
        shutil.rmtree(out, ignore_errors=True)
        sets = [part for text in settings for part in ("--set", text)]
        visit.mop(f"train-{name}-{where}", "recover", TINY, "--data", CALIBRATION, "--out", out, "--tokens", 1100 if visit.rehearsal else 3000, "--max-tokens", 128, "--dtype",
                  "float32", "--device", device, "--set", "validation.samples=0", "--set", "accumulate=4", *sets, "--force",
                  environment=few_threads())
        return losses(out)
    got, again, want = side_by_side(lambda: train("device", visit.device), lambda: train("again", visit.device), lambda: train("cpu", "cpu"))
    worst = max((relative(a, b) for a, b in zip(got, want)), default=math.inf)
    visit.figures[f"losses of {name}"] = {"device": got, "cpu": want}
    visit.check(f"losses, {name}", len(got) == len(want) and worst <= 1e-4, f"{len(got)} steps, worst relative difference {worst:.1e}, allowed 1e-04")
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
        except Exception as error:  # the other comparisons are worth having
            visit.check(f"{name} could be compared", False, f"{type(error).__name__}: {error}"[:300])
    side_by_side(*[lambda item=item: guarded(*item) for item in jobs.items()])


def sanitizer():
    candidates = [shutil.which("compute-sanitizer"), *sorted(map(str, pathlib.Path("/usr/local").glob("cuda*/bin/compute-sanitizer")))]
    return next((found for found in candidates if found), None)


def memcheck(visit):
    tool, prefix = sanitizer(), []
    if not visit.rehearsal:
        if tool is None:
            raise RuntimeError("compute-sanitizer is not here")
        prefix = [tool, "--tool", "memcheck", "--error-exitcode", "77", "--print-limit", "20"]
    short = ["--calibration", CALIBRATION, "--samples", 2, "--max-tokens", 48]
    jobs = {
        "generate": ["generate", TINY, "--prompt", "once upon a time", "--max-new-tokens", 4],
        "score": ["score", TINY, "--criterion", "amp-heads,amp-neurons", *short, "--out", visit.output / "memcheck.safetensors"],
        "recover": ["recover", TINY, "--data", CALIBRATION, "--tokens", 300, "--max-tokens", 64, "--set", "accumulate=2", "--set",
                    "validation.samples=0", "--out", visit.output / "memcheck-recover", "--force"],
        "prune": ["prune", TINY, *short, "--iterations", 2, "--select", "path:LG", "--out", visit.output / "memcheck-prune", "--force"],
    }

    # Without the allocator's cache, reads beyond a tensor leave its memory and are seen.
    environment = {**visit.environment(), "PYTORCH_NO_CUDA_MEMORY_CACHING": "1"}

    def one(name, arguments):
        try:
            said = visit.run(name, [*prefix, visit.program("mop"), *arguments, "--device", visit.device], environment, allow_failure=True)
        except Exception as error:  # told as a check: the others may have ended
            return visit.check(f"memcheck, {name}", False, f"{type(error).__name__}: {error}")
        found = re.findall(r"^========= (.*)", said.out + said.err, re.M)
        return visit.check(f"memcheck, {name}", said.code == 0, " | ".join(found[-1:] if said.code == 0 else found[:6])[:500])
    side_by_side(*[lambda item=item: one(*item) for item in jobs.items()])


# ---- figures


def machine(visit):
    if visit.background.thread.ident is not None:  # its writing would take bandwidth from what is measured
        visit.background.thread.join(max(0.0, visit.left() - 20))
    fields = ("name", "driver_version", "memory.total", "pstate", "clocks.sm", "clocks.max.sm", "clocks.max.mem", "power.limit", "temperature.gpu")
    if not visit.rehearsal:
        cells = visit.run("nvidia-smi", ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]).out.split(", ")
        visit.figures["card"] = dict(zip(fields, (cell.strip() for cell in cells)))
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text(encoding="utf-8"))[1])
    visit.figures.update(processor=cpu[1] if cpu else "", cores=os.cpu_count(), memory_gib=round(memory / 2**20, 1), work=str(visit.work),
                         checkpoint_seconds=round(visit.background.seconds, 1))
    ceilings = visit.script("ceilings", "gpu_torch.py", "ceilings", "--device", visit.device, *(["--small"] if visit.rehearsal else [])).json()
    visit.figures.update(ceilings)
    visit.figures["disk_write_gb_per_second"] = disk_write(visit.output, 64 if visit.rehearsal else 1024)


def disk_write(folder, mebibytes):
    """Written and flushed, as a checkpoint is."""
    block, file = os.urandom(1 << 20), folder / "disk"
    start = time.monotonic()
    with open(file, "wb") as stream:
        for _ in range(mebibytes):
            stream.write(block)
        stream.flush()
        os.fsync(stream.fileno())
    seconds = time.monotonic() - start
    file.unlink()
    return round(mebibytes * 2**20 / seconds / 1e9, 2)


def passes(visit):
    samples = 8 if visit.rehearsal else 128
    tokens = samples * 128
    visit.figures.update(visit.run("passes", [visit.program("mop_bench_pass"), large(visit), "--device", visit.device, "--samples", samples, "--tokens",
                                              128, "--gemm-tokens", tokens, "--repeats", 3]).json())


def whole_run(select):
    def work(visit):
        keep = ["--keep", visit.output / "pruned"] if select == "random" else []
        few = ["--samples", 8, "--tokens", 32] if visit.rehearsal else []
        visit.figures.update(visit.script("run", "prune_large.py", large(visit), "--mop", visit.program("mop"), "--device", visit.device, "--remove", 0.4,
                                          "--select", select, "--work", visit.output, *few, *keep, environment=visit.environment()).json())
    return work


def lora(visit):
    """20 steps of 16 samples of 512 tokens, four at a time, by both; the same texts in the same order."""
    steps, cut, batch, each = (3, 32, 2, 2) if visit.rehearsal else (20, 512, 4, 4)
    text = visit.output / "lora.txt"
    stories = CALIBRATION.read_text(encoding="utf-8").splitlines()
    text.write_text("".join(" ".join(stories[(5 * i + k) % len(stories)] for k in range(5)) + "\n" for i in range(steps * batch * each)), encoding="utf-8")
    out = visit.output / "lora"
    shutil.rmtree(out, ignore_errors=True)
    visit.mop("mop", "recover", large(visit), "--data", text, "--out", out, "--epochs", 1, "--dtype", "bfloat16", "--max-tokens", cut, "--device",
              visit.device, "--set", "validation.samples=0", "--set", "data.shuffle=false", "--set", "schedule=constant", "--set", f"batch={batch}", "--set", f"accumulate={each}")
    lines = [json.loads(line) for line in (out / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    shutil.rmtree(out)
    ours = {"losses": [line["loss"] for line in lines], "seconds": [line["timing"]["seconds"] for line in lines],
            "tokens": [line["tokens"] for line in lines]}
    visit.figures.update(mop=with_speed(ours), steps=steps, max_tokens=cut, batch=batch, accumulate=each)
    theirs = visit.script("peft", "gpu_torch.py", "lora", large(visit), text, "--device", visit.device, "--max-tokens", cut, "--batch", batch,
                          "--accumulate", each).json()
    visit.figures.update(peft=with_speed(theirs))
    visit.figures["ratio"] = visit.figures["mop"]["tokens_per_second"] / visit.figures["peft"]["tokens_per_second"]
    visit.check("LoRA, as many steps and tokens as peft", ours["tokens"] == theirs["tokens"], f"{len(ours['tokens'])} and {len(theirs['tokens'])} steps")
    first, last = relative(ours["losses"][0], theirs["losses"][0]), relative(mean(ours["losses"][-5:]), mean(theirs["losses"][-5:]))
    visit.check("LoRA, peft's first loss", first < 0.01, f"{ours['losses'][0]:.4f} and {theirs['losses'][0]:.4f}")
    visit.check("LoRA, peft's last five losses", last < 0.03, f"{mean(ours['losses'][-5:]):.4f} and {mean(theirs['losses'][-5:]):.4f}")


def mean(values):
    return sum(values) / len(values)


def with_speed(run):
    """Tokens a second without the first two steps, which make kernels and find memory."""
    counted = slice(2, None) if len(run["tokens"]) > 4 else slice(1, None)
    return {**run, "tokens_per_second": sum(run["tokens"][counted]) / sum(run["seconds"][counted])}


def latency(visit):
    """Dense and pruned by `mop bench`, then the same requests by transformers."""
    new, repeat = (8, 2) if visit.rehearsal else (128, 3)
    dense, small = large(visit), pruned(visit)
    for prompt in (12, 512):
        visit.figures[f"mop {prompt}+{new}"] = visit.mop(
            f"mop-{prompt}", "bench", small, "--vs", dense, "--prompt", prompt, "--generate", new, "--repeat", repeat, "--dtype", "bfloat16", "--device",
            visit.device, "--json").json()
    for name, model in (("dense", dense), ("pruned", small)):
        visit.figures[f"transformers {name}"] = visit.script(f"transformers-{name}", "gpu_torch.py", "latency", model, "--device", visit.device,
                                                             "--prompt", 12, 512, "--generate", new, "--repeat", repeat).json()


def profile(visit, name, skip, count, arguments):
    """Where a card's time goes, by kernel: the launches from `skip` on, timed one by one by ncu."""
    tool = shutil.which("ncu") or next(map(str, pathlib.Path("/opt/nvidia").glob("nsight-compute/*/ncu")), None)
    if visit.rehearsal:
        return visit.run(name, arguments)
    if tool is None:
        raise RuntimeError("ncu is not here")
    said = visit.run(name, [tool, "--clock-control", "none", "--metrics", "gpu__time_duration.sum", "--print-units", "base", "--csv", "--launch-skip", skip,
                            "--launch-count", count, "--kill", "yes", *arguments], environment=visit.environment(), allow_failure=True)
    rows = list(csv.DictReader(line for line in said.out.splitlines() if line.startswith('"')))
    kinds = {}
    for row in rows:
        entry = kinds.setdefault(row["Kernel Name"][:120], [0, 0.0])
        entry[0] += 1
        entry[1] += float(row["Metric Value"].replace(",", "")) / 1000
    order = sorted(kinds.items(), key=lambda item: -item[1][1])
    visit.figures[name] = {"launches": len(rows), "microseconds": round(sum(v[1] for v in kinds.values()), 1),
                           "kernels": [{"name": k, "launches": v[0], "microseconds": round(v[1], 1)} for k, v in order[:20]]}
    return said


def profile_decode(visit):
    model = large(visit)
    profile(visit, "decode", 12000, 1200, [visit.program("mop"), "bench", model, "--prompt", 12, "--generate",
                                           4 if visit.rehearsal else 24, "--repeat", 1, "--dtype", "bfloat16", "--device", visit.device])


def profile_pass(visit):
    profile(visit, "pass", 400, 1200, [visit.program("mop_bench_pass"), large(visit), "--device", visit.device, "--samples", 8 if visit.rehearsal else 128,
                                       "--tokens", 128, "--gemm-tokens", 1024, "--repeats", 1])


STEPS = {
    "smoke": Step("the program starts and generates", 40, smoke),
    "kernels": Step("test suites for a GPU", 40, kernels),
    "equal": Step("GPU and CPU agree: perplexity, scores, plans, text, losses", 70, equal),
    "machine": Step("versions and ceilings: copies and matrix products", 45, machine, large=True),
    "pass7b": Step("statistics and perplexity pass of a 7B", 45, passes, large=True),
    "run7b-random": Step("a whole run of a 7B to 40% of the blocks, random path", 80, whole_run("random"), large=True),
    "run7b-perplexity": Step("the same, the path chosen by perplexity", 120, whole_run("perplexity"), large=True),
    "lora7b": Step("LoRA of a 7B, 20 steps, beside peft", 100, lora, large=True),
    "latency7b": Step("latency of a 7B, dense and pruned, beside transformers", 80, latency, large=True),
    "memcheck": Step("compute-sanitizer on the embedded model", 70, memcheck),
    "profile-decode": Step("time by kernel while decoding (not by default)", 60, profile_decode, large=True),
    "profile-pass": Step("time by kernel in a statistics pass (not by default)", 60, profile_pass, large=True),
}
DEFAULT = [name for name in STEPS if not name.startswith("profile")]
