"""Timing whole commands on a machine that others use too."""
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time

# An interrupted benchmark cleans up behind itself.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(f"stopped by signal {number}"))

TICKS = os.sysconf("SC_CLK_TCK")


def machine_seconds():
    """(busy, total) processor seconds of the whole machine since it started."""
    with open("/proc/stat", encoding="ascii") as file:
        values = [int(v) / TICKS for v in file.readline().split()[1:9]]
    return sum(values) - values[3] - values[4], sum(values)


def children_seconds():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def wait_until_quiet(limit, patience=600):
    """Waits for a second in which others use less than `limit` of the machine; gives up after `patience` seconds."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        busy, total = machine_seconds()
        time.sleep(1)
        busy_now, total_now = machine_seconds()
        if (busy_now - busy) / (total_now - total) < limit:
            return True
    return False


def anonymous_bytes(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as file:
            for line in file:
                if line.startswith("RssAnon:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    return 0


def run(command, environment=None):
    """Runs to the end: stdout, seconds, share of the machine that others used, peak anonymous memory."""
    busy, total = machine_seconds()
    own, start = children_seconds(), time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, **(environment or {})}
    )
    peak = [0]

    def sample():
        while process.poll() is None:
            peak[0] = max(peak[0], anonymous_bytes(process.pid))
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
    return {"out": out, "seconds": seconds, "foreign_load": max(0.0, foreign), "peak_anonymous_bytes": peak[0]}


def run_quiet(command, limit=0.05, tries=5, environment=None):
    """Like `run`, again while others use more than `limit` of the machine; the quietest of `tries`."""
    best = None
    for _ in range(tries):
        wait_until_quiet(limit, patience=60)
        result = run(command, environment)
        if best is None or result["foreign_load"] < best["foreign_load"]:
            best = result
        if best["foreign_load"] < limit:
            break
    return best


def last_json(text):
    """The JSON object that a program's standard output ends with."""
    return json.loads(text[text.index("{") :])
