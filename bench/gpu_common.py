"""What the steps of bench/gpu.sh share: running on GPU and CPU side by side, comparing, the large checkpoints."""
import concurrent.futures
import json
import os
import pathlib
import shutil
import struct
import subprocess
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
TINY = ROOT / "assets/tinystories-12l"


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


def large(visit):
    return visit.background.get(visit)


def pruned(visit):
    """The large model with 40% of its blocks removed by a mixture, in multiples that matrix units take: made once."""
    folder = visit.output / "pruned-64"
    if not folder.exists():
        text = visit.output / "few.txt"
        text.write_text("".join(f"word{i} word{i + 1} word{i + 2}\n" for i in range(8)), encoding="ascii")
        visit.mop("prune", "prune", large(visit), "--out", folder, "--calibration", text, "--samples", 8, "--max-tokens", 16, "--remove",
                  0.4, "--of", "blocks", "--select", "path:LG", "--shape-multiple", 8 if visit.rehearsal else 64, "--dtype", "bfloat16", "--device",
                  visit.device, "--force")
    return folder
