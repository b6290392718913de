"""The steps of bench/gpu.sh: each sets `visit.figures` and calls `visit.check`. See gpu_run.py for the functions of a
visit.

Figures are measured on a random checkpoint with the shape of a 7B (in a rehearsal: a small one), one process at a
time.
"""
import csv
import dataclasses
import json
import os
import pathlib
import re
import shutil
import subprocess
import threading
import time
import typing

import gpu_checks
from gpu_checks import CALIBRATION, TINY, relative, sets


@dataclasses.dataclass
class Step:
    what: str
    seconds: int  # maximum
    work: typing.Callable
    large: bool = False  # needs the 7B


class Checkpoint:
    """The random checkpoint for speed measurements, written in the background."""

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
            self.process = subprocess.Popen([str(c) for c in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                            text=True, env={**os.environ, **visit.environment()})
            said = self.process.communicate()[0]
            if self.process.returncode != 0:
                raise RuntimeError(said[-500:])
            part.rename(self.folder)
            self.seconds = time.monotonic() - start
        except Exception as error:  # reported by the step that needs the checkpoint
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
    """Returns the large model with 40% of its blocks removed and widths that suit the kernels."""
    folder = visit.output / "pruned"
    if not folder.exists():
        text = visit.output / "few.txt"
        text.write_text("".join(f"word{i} word{i + 1} word{i + 2}\n" for i in range(8)), encoding="ascii")
        visit.mop("prune", "prune", large(visit), "--out", folder, "--calibration", text, "--samples", 8, "--max-tokens", 16,
                  "--remove", 0.4, "--of", "blocks", "--select", "path:LG", "--shape-multiple", 8 if visit.rehearsal else 64,
                  "--dtype", "bfloat16", "--device", visit.device, "--force")
    return folder


def machine(visit):
    if visit.background.thread.ident is not None:  # its writing would use bandwidth during measurements
        visit.background.thread.join(max(0.0, visit.left() - 20))
    fields = ("name", "driver_version", "memory.total", "pstate", "clocks.sm", "clocks.max.sm", "clocks.max.mem", "power.limit",
              "temperature.gpu")
    if not visit.rehearsal:
        said = visit.run("nvidia-smi", ["nvidia-smi", f"--query-gpu={','.join(fields)}", "--format=csv,noheader"]).out
        visit.figures["card"] = dict(zip(fields, (cell.strip() for cell in said.splitlines()[0].split(", "))))
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8"))
    memory = int(re.search(r"MemTotal:\s+(\d+)", pathlib.Path("/proc/meminfo").read_text(encoding="utf-8"))[1])
    visit.figures.update(processor=cpu[1] if cpu else "", cores=os.cpu_count(), memory_gib=round(memory / 2**20, 1),
                         work=str(visit.work), checkpoint_seconds=round(visit.background.seconds, 1))
    small = ["--small"] if visit.rehearsal else []
    visit.figures.update(visit.script("ceilings", "gpu_torch.py", "ceilings", "--device", visit.device, *small).json())
    visit.figures["disk_write_gb_per_second"] = disk_write(visit.output, 64 if visit.rehearsal else 1024)


def disk_write(folder, mebibytes):
    """Measures the speed of writing and flushing, as for a checkpoint."""
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
    said = visit.run("passes", [visit.program("mop_bench_pass"), large(visit), "--device", visit.device, "--samples", samples,
                                "--tokens", 128, "--gemm-tokens", samples * 128, "--repeats", 3])
    visit.figures.update(said.json())


def whole_run(select):
    def work(visit):
        few = ["--samples", 8, "--tokens", 32] if visit.rehearsal else []
        said = visit.script("run", "prune_large.py", large(visit), "--mop", visit.program("mop"), "--device", visit.device,
                            "--remove", 0.4, "--select", select, "--work", visit.output, *few,
                            environment=visit.environment())
        visit.figures.update(said.json())
    return work


def write_lora_text(file, count):
    """Writes samples of concatenated stories, each at least as long as the cut."""
    stories = CALIBRATION.read_text(encoding="utf-8").splitlines()
    lines = (" ".join(stories[(5 * i + k) % len(stories)] for k in range(5)) for i in range(count))
    file.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    return file


def lora(visit):
    """Trains 20 steps of 16 samples of 512 tokens, four at a time, by both programs; same texts in the same order."""
    steps, cut, batch, each = (3, 32, 2, 2) if visit.rehearsal else (20, 512, 4, 4)
    text = write_lora_text(visit.output / "lora.txt", steps * batch * each)
    out = visit.output / "lora"
    shutil.rmtree(out, ignore_errors=True)
    settings = sets("validation.samples=0", "data.shuffle=false", "schedule=constant", f"batch={batch}", f"accumulate={each}")
    visit.mop("mop", "recover", large(visit), "--data", text, "--out", out, "--epochs", 1, "--dtype", "bfloat16",
              "--max-tokens", cut, "--device", visit.device, *settings)
    lines = [json.loads(line) for line in (out / "run/metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    shutil.rmtree(out)
    ours = {"losses": [line["loss"] for line in lines], "seconds": [line["timing"]["seconds"] for line in lines],
            "tokens": [line["tokens"] for line in lines]}
    visit.figures.update(mop=with_speed(ours), steps=steps, max_tokens=cut, batch=batch, accumulate=each)
    theirs = visit.script("peft", "gpu_torch.py", "lora", large(visit), text, "--device", visit.device, "--max-tokens", cut,
                          "--batch", batch, "--accumulate", each).json()
    visit.figures.update(peft=with_speed(theirs))
    visit.figures["ratio"] = visit.figures["mop"]["tokens_per_second"] / visit.figures["peft"]["tokens_per_second"]
    visit.check("LoRA, as many steps and tokens as peft", ours["tokens"] == theirs["tokens"],
                f"{len(ours['tokens'])} and {len(theirs['tokens'])} steps")
    first, last = ([mean(run["losses"][part]) for run in (ours, theirs)] for part in (slice(1), slice(-5, None)))
    visit.check("LoRA, peft's first loss", relative(*first) < 0.01, f"{first[0]:.4f} and {first[1]:.4f}")
    visit.check("LoRA, peft's last five losses", relative(*last) < 0.03, f"{last[0]:.4f} and {last[1]:.4f}")


def mean(values):
    return sum(values) / len(values)


def with_speed(run):
    """Adds tokens per second, without the first two steps, which compile kernels and allocate memory."""
    counted = slice(2, None) if len(run["tokens"]) > 4 else slice(1, None)
    return {**run, "tokens_per_second": sum(run["tokens"][counted]) / sum(run["seconds"][counted])}


def latency(visit):
    """Measures dense and pruned by `mop bench`, then the same requests by transformers."""
    new, repeat = (8, 2) if visit.rehearsal else (128, 3)
    dense, small = large(visit), pruned(visit)
    for prompt in (12, 512):
        said = visit.mop(f"mop-{prompt}", "bench", small, "--vs", dense, "--prompt", prompt, "--generate", new, "--repeat", repeat,
                         "--dtype", "bfloat16", "--device", visit.device, "--json")
        visit.figures[f"mop {prompt}+{new}"] = said.json()
    for name, model in (("dense", dense), ("pruned", small)):
        said = visit.script(f"transformers-{name}", "gpu_torch.py", "latency", model, "--device", visit.device, "--prompt", 12, 512,
                            "--generate", new, "--repeat", 2)
        visit.figures[f"transformers {name}"] = said.json()


def profile(visit, name, skip, count, arguments):
    """Profiles kernel times: ncu measures the launches from `skip` on one by one."""
    tool = shutil.which("ncu") or next(map(str, pathlib.Path("/opt/nvidia").glob("nsight-compute/*/ncu")), None)
    if visit.rehearsal:
        return visit.run(name, arguments)
    if tool is None:
        raise RuntimeError("ncu is not here")
    command = [tool, "--clock-control", "none", "--metrics", "gpu__time_duration.sum", "--print-units", "base", "--csv",
               "--launch-skip", skip, "--launch-count", count, "--kill", "yes", *arguments]
    said = visit.run(name, command, environment=visit.environment(), allow_failure=True)
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
    new = 4 if visit.rehearsal else 24
    profile(visit, "decode", 12000, 1200, [visit.program("mop"), "bench", large(visit), "--prompt", 12, "--generate", new,
                                           "--repeat", 1, "--dtype", "bfloat16", "--device", visit.device])


def profile_pass(visit):
    samples = 8 if visit.rehearsal else 128
    profile(visit, "pass", 400, 1200, [visit.program("mop_bench_pass"), large(visit), "--device", visit.device, "--samples", samples,
                                       "--tokens", 128, "--gemm-tokens", 1024, "--repeats", 1])


STEPS = {
    "smoke": Step("the program starts and generates", 40, gpu_checks.smoke),
    "kernels": Step("test suites for a GPU", 40, gpu_checks.kernels),
    "equal": Step("GPU and CPU agree: perplexity, scores, plans, text, losses", 70, gpu_checks.equal),
    "machine": Step("versions and ceilings: copies and matrix products", 45, machine, large=True),
    "pass7b": Step("statistics and perplexity pass of a 7B", 45, passes, large=True),
    "run7b-random": Step("a whole run of a 7B to 40% of the blocks, random path", 80, whole_run("random"), large=True),
    "run7b-perplexity": Step("the same, the path chosen by perplexity", 120, whole_run("perplexity"), large=True),
    "lora7b": Step("LoRA of a 7B, 20 steps, beside peft", 100, lora, large=True),
    "latency7b": Step("latency of a 7B, dense and pruned, beside transformers", 80, latency, large=True),
    "kernel-times": Step("times of the kernels beside LibTorch's operations", 25, gpu_checks.kernel_times),
    "memcheck": Step("compute-sanitizer on the embedded model", 70, gpu_checks.memcheck),
    "profile-decode": Step("time by kernel while decoding (not by default)", 60, profile_decode, large=True),
    "profile-pass": Step("time by kernel in a statistics pass (not by default)", 60, profile_pass, large=True),
}
DEFAULT = [name for name in STEPS if not name.startswith("profile")]
