"""Times whole commands on a machine with other load."""
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time

# Runs the cleanup of an interrupted benchmark.
for stop in (signal.SIGINT, signal.SIGTERM):
    signal.signal(stop, lambda number, frame: sys.exit(f"stopped by signal {number}"))

TICKS = os.sysconf("SC_CLK_TCK")


def machine_seconds():
    """Returns (busy, total) processor seconds of the whole machine since it started."""
    with open("/proc/stat", encoding="ascii") as file:
        values = [int(v) / TICKS for v in file.readline().split()[1:9]]
    return sum(values) - values[3] - values[4], sum(values)


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def wait_until_quiet(limit, patience=600):
    """Waits until others use less than `limit` of the machine for a second; gives up after `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        busy, total = machine_seconds()
        time.sleep(1)
        busy_now, total_now = machine_seconds()
        if (busy_now - busy) / (total_now - total) < limit:
            return True
    return False


def memory_bytes(pid):
    """Returns (anonymous, resident) bytes of a process, resident including pages of mapped files; zeros when it has
    ended."""
    found = {}
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            for line in file:
                name, _, value = line.partition(":")
                if name in ("RssAnon", "VmRSS"):
                    found[name] = int(value.split()[0]) * 1024
    except OSError:
        pass
    return found.get("RssAnon", 0), found.get("VmRSS", 0)


def run(command, environment=None):
    """Runs a command to the end. Returns stdout, seconds, the share of the machine that others used, and peak memory.
    The command ends with this process."""
    busy, total = machine_seconds()
    own, start = children_seconds(), time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    )
    peak = [0, 0]

    def sample():
        while process.poll() is None:
            peak[:] = map(max, peak, memory_bytes(process.pid))
            time.sleep(0.02)

    sampler = threading.Thread(target=sample)
    sampler.start()
    try:
        out, err = process.communicate()
    finally:
        process.kill()
        sampler.join()
    seconds = time.perf_counter() - start
    if process.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\nfailed with {process.returncode}:\n{err}")
    busy_now, total_now = machine_seconds()
    foreign = (busy_now - busy - (children_seconds() - own)) / (total_now - total)
    return {"out": out, "seconds": seconds, "foreign_load": max(0.0, foreign), "peak_anonymous_bytes": peak[0],
            "peak_resident_bytes": peak[1]}


def run_quiet(command, limit=0.05, tries=5, environment=None):
    """Like `run`, but repeats up to `tries` times while others use more than `limit` of the machine; returns the
    quietest run."""
    best = None
    for _ in range(tries):
        wait_until_quiet(limit, patience=60)
        result = run(command, environment)
        if best is None or result["foreign_load"] < best["foreign_load"]:
            best = result
        if best["foreign_load"] < limit:
            break
    return best


class Cells:
    """Finished measurements, one per line of `file`, so that an interrupted benchmark does not repeat them."""

    def __init__(self, file, fresh=False):
        self.file = file
        if fresh:
            file.unlink(missing_ok=True)
        file.parent.mkdir(parents=True, exist_ok=True)
        self.known = {}
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
            try:
                cell = json.loads(line)
                self.known[cell["key"]] = cell["value"]
            except (ValueError, KeyError, TypeError):  # a line that was cut off
                continue

    def get(self, key, measure):
        """Returns the value of `key` (any JSON value); measures it when it is missing."""
        name = json.dumps(key, sort_keys=True, default=str)
        if name not in self.known:
            self.known[name] = measure()
            with open(self.file, "a", encoding="utf-8") as file:
                file.write("\n" + json.dumps({"key": name, "value": self.known[name]}) + "\n")
        return self.known[name]


def stamp(program):
    """Changes when the program is rebuilt."""
    status = os.stat(program)
    return [status.st_size, status.st_mtime_ns]


def last_json(text):
    """Returns the JSON object at the end of a program's standard output."""
    return json.loads(text[text.index("{") :])
