"""Runs README.md's own commands: every ```sh block, in order, as a reader would, in a folder that looks like a fresh
checkout. A block after `<!-- not run: reason -->` is for the reader's machine (models we do not ship) and is only
checked for verbs and flags that exist."""

import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHOWN = ("mop", "recipes", "assets", "examples")


def blocks(text):
    """(commands, reason they are not run or None) of every sh block."""
    pattern = r"(?:<!-- not run: ([^>]*) -->\n)?```sh\n(.*?)```"
    return [(body, reason) for reason, body in re.findall(pattern, text, re.S)]


def run(command, folder):
    result = subprocess.run(["bash", "-euo", "pipefail", "-c", command], cwd=folder, capture_output=True, text=True)
    if result.returncode != 0:
        sys.exit(f"README.md: this block fails with {result.returncode}:\n{command}\n{result.stdout}\n{result.stderr}")
    return result.stdout


def check_flags(body):
    """Verbs and long flags of `./mop VERB ...` lines stand in `mop VERB --help`."""
    for line in re.sub(r"\\\n", " ", body).splitlines():
        words = shlex.split(line, comments=True)
        if not words or not words[0].endswith("mop"):
            continue
        verb = words[1]
        usage = run(f"{ROOT}/mop {verb} --help 2>&1", ROOT)
        for flag in (word.split("=")[0] for word in words if word.startswith("--")):
            if not re.search(re.escape(flag) + r"\b", usage):
                sys.exit(f"README.md: `mop {verb}` has no flag {flag}:\n{line}")


def main():
    found = blocks((ROOT / "README.md").read_text())
    executed = 0
    with tempfile.TemporaryDirectory() as folder:
        for name in SHOWN:
            os.symlink(ROOT / name, pathlib.Path(folder) / name)
        for body, reason in found:
            check_flags(body)
            if not reason:
                run(body, folder)
                executed += 1
    if executed < 3:
        sys.exit(f"README.md: only {executed} blocks of commands were run, the pattern must have changed")
    print(f"{executed} blocks run, {len(found) - executed} checked for flags only")


if __name__ == "__main__":
    main()
