#!/usr/bin/env python3
"""What quantising tools make of pruned models is what docs/quantising.md and the notes of `mop prune` say: of MLP widths in
multiples of 256, of 32 and of nothing, the types that llama.cpp gives down_proj, or that it refuses the file, and whether
int4 and nf4 take it."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
MOP = pathlib.Path(os.environ.get("MOP_BUILD", ROOT / "build")) / "src" / "mop"
PYTHON = ROOT / ".env" / "quantise" / "bin" / "python"
NOTE = "is not a multiple of 32: "
# shape multiple: what becomes of down_proj under Q4_K_M, Q4_0 and Q8_0; and under int4 and nf4.
EXPECTED = {
    256: {"Q4_K_M": {"Q4_K", "Q6_K"}, "Q4_0": {"Q4_0"}, "Q8_0": {"Q8_0"}, "int4": "quantised", "nf4": "quantised"},
    32: {"Q4_K_M": {"Q5_0", "Q8_0"}, "Q4_0": {"Q4_0"}, "Q8_0": {"Q8_0"}, "int4": "quantised", "nf4": "quantised"},
    1: {"Q4_K_M": {"F16"}, "Q4_0": "refused", "Q8_0": "refused", "int4": "fails", "nf4": "fails"},
}


def run(*command):
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    if ran.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{ran.stdout}{ran.stderr}")
    return ran


def quantise(*arguments):
    return json.loads(run(PYTHON, ROOT / "tests" / "readers" / "quantise.py", *arguments).stdout)


def types_of_down(folder, name):
    plain, small = folder / "f16.gguf", folder / "small.gguf"
    if not plain.exists():
        run(MOP, "export", folder, "--format", "gguf", "--dtype", "f16", "--out", plain)
    tensors = quantise("llama.cpp", plain, small, name)
    return "refused" if "error" in tensors else {kind for tensor, (kind, _) in tensors.items() if ".ffn_down." in tensor}


def check(what, found, expected):
    print(f"{what}: {found}")
    if found != expected:
        sys.exit(f"expected {expected}")


def main():
    if not (PYTHON.parents[1] / ".ready").exists():
        print("skipped: what quantises is not installed (./run setup --quantise)")
        return
    with tempfile.TemporaryDirectory() as work:
        for multiple, expected in EXPECTED.items():
            out = pathlib.Path(work) / str(multiple)
            told = run(MOP, "prune", ROOT / "assets" / "tinystories-12l", "--out", out, "--calibration",
                       ROOT / "assets" / "text" / "generated-calibration.txt", "--samples", 4, "--remove", 0.2, "--of", "blocks",
                       "--select", "path:G", "--shape-multiple", multiple)
            check(f"multiples of {multiple}: the note", NOTE in told.stdout + told.stderr, multiple == 1)
            for name in ("Q4_K_M", "Q4_0", "Q8_0"):
                check(f"multiples of {multiple}, {name}", types_of_down(out, name), expected[name])
            for name in ("int4", "nf4"):
                answer = quantise(name, out)
                print(answer)
                check(f"multiples of {multiple}, {name}", answer["status"], expected[name])
                assert answer.get("difference", 0) < 0.5, answer


if __name__ == "__main__":
    main()
