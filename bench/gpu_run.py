#!/usr/bin/env python3
"""The driver of bench/gpu.sh, which documents its input and output; the steps are in gpu_steps.py."""
import argparse
import datetime
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
import traceback

import gpu_report
import gpu_results
import gpu_steps

ROOT = pathlib.Path(__file__).resolve().parents[1]
DEVICE = ROOT / ".device"
LOG_BYTES = 1 << 20  # per command; keeps the end


class OutOfTime(Exception):
    """A step exceeded its time."""


class Failed(Exception):
    """A command failed or its output cannot be parsed."""


def torch_folder(python):
    """Returns the folder of that Python's torch without importing it, which takes seconds."""
    code = "import importlib.util as u; print(u.find_spec('torch').submodule_search_locations[0])"
    return pathlib.Path(subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip())


def library_path(torch, programs):
    """Returns the library path: our own libraries, LibTorch's, and those that NVIDIA's wheels install beside it."""
    beside = [torch.parent / "torch.libs", *sorted((torch.parent / "nvidia").glob("*/lib"))]
    return [programs[0].parent / "lib", torch / "lib", *beside]


def stop(process):
    """Ends a command and its children, first by SIGTERM so that they remove their files."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(timeout=4)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            pass
        return


class Visit:
    """The settings of the steps, and functions to run commands."""

    def __init__(self, args):
        self.rehearsal = args.rehearse
        self.device = "cpu" if args.rehearse else "cuda"
        self.out = args.out.resolve()
        self.python = os.environ.get("MOP_GPU_PYTHON") or self._default_python()
        self.programs = [pathlib.Path(p).resolve() for p in os.environ["MOP_GPU_PROGRAMS"].split(":")]
        self.torch = pathlib.Path(os.environ.get("MOP_LIBTORCH") or self._default_torch())
        self.work = pathlib.Path(os.environ.get("MOP_GPU_WORK") or self._default_work())
        self.output = pathlib.Path(os.environ.get("MOP_GPU_OUTPUT") or "/tmp/mop-gpu-output")
        self.logs = self.output / "logs"
        self.libraries = library_path(self.torch, self.programs)
        self.patience = 5 if args.rehearse else 1  # a CPU is slower and may have other load
        self.end = time.monotonic() + float(os.environ.get("MOP_GPU_SECONDS", 540 * self.patience))
        self.deadline = self.end
        self.step = "start"
        self.figures, self.checks = {}, []
        self.lock = threading.Lock()
        for folder in (self.out, self.work, self.output, self.logs):
            folder.mkdir(parents=True, exist_ok=True)

    def _default_python(self):
        reference = ROOT / ".env/reference/bin/python"
        return str(reference) if self.rehearsal and reference.exists() else "python3"

    def _default_torch(self):
        stamp = DEVICE / "stamp.json"
        if self.rehearsal and stamp.exists():
            return ROOT / f".env/libtorch-{json.loads(stamp.read_text())['libtorch']}/torch"
        return torch_folder(self.python)

    def _default_work(self):
        shm = pathlib.Path("/dev/shm")
        roomy = shm.exists() and shutil.disk_usage(shm).free > 30 << 30
        return (shm if roomy and not self.rehearsal else pathlib.Path("/tmp")) / "mop-gpu"

    def program(self, name):
        for folder in self.programs:
            if (folder / name).exists():
                return folder / name
        raise Failed(f"there is no {name} in {', '.join(map(str, self.programs))}")

    def test_programs(self):
        files = [file for folder in self.programs for file in folder.glob("test_*")]
        return sorted(file for file in files if file.is_file() and os.access(file, os.X_OK))

    def environment(self, bare=False):
        """Returns the environment of our programs; Python finds its libraries itself. `bare` omits NVIDIA's folders."""
        folders = self.libraries[:2] if bare else self.libraries
        before = [] if bare else [os.environ.get("LD_LIBRARY_PATH", "")]
        return {"LD_LIBRARY_PATH": ":".join(str(p) for p in [*folders, *before] if str(p))}

    def left(self):
        return self.deadline - time.monotonic()

    def run(self, name, command, environment=None, allow_failure=False):
        """Runs a command until it ends or the step's deadline; returns its standard output. Logs all of its output."""
        command = [str(part) for part in command]
        ours = pathlib.Path(command[0]).parent in self.programs
        # Spinning threads slow each other down on a machine with other load.
        passive = {"OMP_WAIT_POLICY": "passive"} if self.rehearsal else {}
        env = {**os.environ, **passive, **(self.environment() if ours else {}), **(environment or {})}
        if self.left() <= 0:
            raise OutOfTime(name)
        start = time.monotonic()
        err_file = self.logs / f"{self.step}-{name}.err"
        with open(err_file, "w+", encoding="utf-8", errors="replace") as err:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=err, text=True, errors="replace", env=env,
                                       cwd=ROOT, start_new_session=True)
            late = False
            try:
                out = process.communicate(timeout=max(1.0, self.left()))[0]
            except subprocess.TimeoutExpired:
                late = True
                stop(process)
                out = process.communicate()[0]
        said = err_file.read_text(encoding="utf-8", errors="replace")
        err_file.unlink()
        seconds = time.monotonic() - start
        self._log(name, command, process.returncode, seconds, out, said)
        if late:
            raise OutOfTime(f"{name}, after {seconds:.0f} s")
        if process.returncode != 0 and not allow_failure:
            last = [line for line in (said + out).strip().splitlines() if line][-3:]
            raise Failed(f"{name} ended with {process.returncode}: {' | '.join(last)[-600:]}")
        return Said(out, said, process.returncode, seconds)

    def _log(self, name, command, code, seconds, out, err):
        text = f"$ {' '.join(command)}\n(exit {code}, {seconds:.2f} s)\n--- stderr\n{err}\n--- stdout\n{out}"
        (self.logs / f"{self.step}-{name}.log").write_text(text[:2000] + text[2000:][-LOG_BYTES:], encoding="utf-8")

    def mop(self, name, *arguments, **options):
        return self.run(name, [self.program("mop"), *arguments], **options)

    def script(self, name, file, *arguments, **options):
        return self.run(name, [self.python, ROOT / "bench" / file, *arguments], **options)

    def check(self, name, ok, detail=""):
        with self.lock:
            self.checks.append({"name": name, "ok": bool(ok), "detail": detail})
        print(f"   {'ok    ' if ok else 'FAILED'} {name}: {detail}", file=sys.stderr)


class Said:
    """The output of a command."""

    def __init__(self, out, err, code, seconds):
        self.out, self.err, self.code, self.seconds = out, err, code, seconds

    def json(self):
        try:
            return json.loads(self.out[self.out.index("{"):])
        except ValueError:
            raise Failed(f"no JSON in: {self.out[-200:]}") from None


def card_of(rehearsal):
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    if shutil.which("nvidia-smi"):
        found = subprocess.run(query, capture_output=True, text=True, check=False)
        if found.returncode == 0 and found.stdout.strip():
            return found.stdout.splitlines()[0].strip()
    if not rehearsal:
        sys.exit("error: no NVIDIA GPU here\n  hint:  bench/gpu.sh --rehearse does the same on the CPU")
    return "none (rehearsal on the CPU)"


def commit_of(visit):
    """Returns the commit in .device/stamp.json, or that of programs built here, by their --version."""
    stamp = DEVICE / "stamp.json"
    if stamp.exists() and DEVICE in visit.programs[0].parents:
        return json.loads(stamp.read_text(encoding="utf-8"))["commit"]
    said = visit.mop("version", "--version").out
    return re.search(r"commit (\S+)", said).group(1)


class Monitor:
    """Samples the card's memory, load, clock and power four times per second."""

    FIELDS = ("memory.used", "utilization.gpu", "clocks.sm", "power.draw")

    def __init__(self, visit):
        self.rows, self.process = [], None
        if visit.rehearsal:
            return
        query = ["nvidia-smi", f"--query-gpu={','.join(self.FIELDS)}", "--format=csv,noheader,nounits", "-lms", "250"]
        self.process = subprocess.Popen(query, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            try:
                self.rows.append((time.monotonic(), [float(cell) for cell in line.split(",")]))
            except ValueError:
                continue

    def since(self, start):
        rows = [cells for when, cells in self.rows if when >= start]
        if not rows:
            return {}
        memory, load, clock, power = zip(*rows)
        return {"peak_memory_mib": max(memory), "mean_load_percent": round(sum(load) / len(load), 1),
                "least_clock_mhz": min(clock), "most_clock_mhz": max(clock), "most_power_w": max(power)}

    def close(self):
        if self.process:
            self.process.terminate()


def run_step(visit, name, step, monitor):
    """Runs a step and returns its result, also after a failure."""
    visit.step, visit.figures, visit.checks = name, {}, []
    visit.deadline = min(visit.end, time.monotonic() + step.seconds * visit.patience)
    start, status, reason = time.monotonic(), "ok", ""
    try:
        step.work(visit)
    except OutOfTime as late:
        status, reason = "out of time", str(late)
    except Exception as error:  # the other steps are still worth running
        status, reason = "failed", f"{error}"
        if not isinstance(error, Failed):
            (visit.logs / f"{name}-traceback.log").write_text(traceback.format_exc(), encoding="utf-8")
    if status == "ok" and not all(check["ok"] for check in visit.checks):
        status = "failed"
    return {"step": name, "status": status, **({"reason": reason} if reason else {}),
            "seconds": round(time.monotonic() - start, 2),
            "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
            "figures": visit.figures, "checks": visit.checks, "card_figures": monitor.since(start)}


def pack_logs(visit):
    part = visit.out / "logs.tar.gz.part"
    with tarfile.open(part, "w:gz") as archive:
        archive.add(visit.logs, "logs")
    part.rename(visit.out / "logs.tar.gz")


def visit_all(visit, names, again):
    file = visit.out / "results.jsonl"
    results = gpu_results.load(DEVICE / "results.jsonl", file)
    card, commit = card_of(visit.rehearsal), commit_of(visit)
    gpu_results.write(file, results)
    monitor, ended = Monitor(visit), []
    print(f"== {card}, commit {commit}, {visit.end - time.monotonic():.0f} s", file=sys.stderr)
    visit.background = gpu_steps.start_checkpoint(visit, names)
    for name in names:
        step = gpu_steps.STEPS[name]
        if not again and gpu_results.is_done(results, name, commit, card):
            print(f"== {name}: done before", file=sys.stderr)
            continue
        if visit.end - time.monotonic() < min(step.seconds, 15):
            print(f"== {name}: no time left", file=sys.stderr)
            continue
        print(f"== {name}", file=sys.stderr)
        result = {**run_step(visit, name, step, monitor), "commit": commit, "card": card}
        ended.append(result["status"])
        gpu_results.append(file, result)
        print(f"== {name}: {result['status']} {result.get('reason', '')} ({result['seconds']:.0f} s)", file=sys.stderr)
        pack_logs(visit)
    monitor.close()
    visit.background.close()
    (visit.out / "report.md").write_text(gpu_report.report(gpu_results.load(file)), encoding="utf-8")
    return 0 if all(status == "ok" for status in ended) else 1


def parse():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", nargs="?", type=pathlib.Path, default=ROOT / "runs/gpu")
    parser.add_argument("--rehearse", action="store_true", help="on the CPU, with small models")
    parser.add_argument("--again", action="store_true", help="repeat finished steps")
    parser.add_argument("--list", action="store_true", help="name the steps")
    return parser.parse_args()


def main():
    args = parse()
    if args.list:
        for name, step in gpu_steps.STEPS.items():
            print(f"{name:20} {step.seconds:4} s  {step.what}")
        return 0
    names = os.environ.get("MOP_GPU_STEPS", " ".join(gpu_steps.DEFAULT)).split()
    unknown = [name for name in names if name not in gpu_steps.STEPS]
    if unknown:
        sys.exit(f"error: unknown step '{unknown[0]}'\n  hint:  known: {', '.join(gpu_steps.STEPS)}")
    visit = Visit(args)
    status = visit_all(visit, names, args.again)
    print((visit.out / "report.md").read_text(encoding="utf-8"))
    return status


if __name__ == "__main__":
    sys.exit(main())
