"""The table of readers: who loads what mop writes, and computes the same. Prunes the given models to 40% of their
blocks, once with equal layers and once with layers that differ, adds folders that exist already (tests/write_models),
and asks every Python given through `mop check`. Prints Markdown.

    tests/readers/table.py --mop ./mop --model assets/tinystories-12l:assets/text/generated-calibration.txt \
        --python .env/reference/bin/python --python .env/reference4/bin/python FOLDER...
"""

import argparse
import json
import pathlib
import subprocess
import sys
import tempfile


def run(command):
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if ran.returncode not in (0, 1) or not ran.stdout:
        sys.exit(f"{' '.join(map(str, command))}\n{ran.stderr}")
    return json.loads(ran.stdout)


def pruned(args, work):
    """(name, folder) of every model given, pruned in both ways."""
    for pair in args.model:
        model, text = pair.split(":")
        for allocation in ("uniform", "global"):
            name = f"{pathlib.Path(model).name}, {allocation}"
            out = work / name.replace(", ", "-")
            run([args.mop, "prune", model, "--out", out, "--calibration", text, "--samples", args.samples, "--remove",
                 "0.4", "--of", "blocks", "--select", "path:LGG", "--allocation", allocation, "--json"])
            yield name, out


def ask(args, name, kind, reader, python, model):
    row = run([args.mop, "check", model, "--with", reader, "--python", python, "--json"])["readers"][1]
    difference, equal = row["logits_difference"], row["greedy_equal"]
    return (name, kind, f"{reader} {row['version']}", row["status"],
            "-" if difference is None else f"{difference:.1e}", "-" if equal is None else "yes" if equal else "no",
            row["detail"][:60])


def rows_of(args, name, folder, work):
    shapes = {tuple(layer.values()) for layer in run([args.mop, "inspect", folder, "--json"])["layers"]}
    kind = "uniform" if len(shapes) == 1 else "per-layer"
    for python in args.python:
        yield ask(args, name, kind, "transformers", python, folder)
    if args.llama_cpp:
        gguf = work / "model.gguf"
        run([args.mop, "export", folder, "--format", "gguf", "--dtype", "f32", "--out", gguf, "--force", "--json"])
        yield ask(args, name, kind, "llama.cpp", args.llama_cpp, gguf)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="*", type=pathlib.Path, help="checkpoints as they are")
    parser.add_argument("--mop", default="./mop")
    parser.add_argument("--python", action="append", required=True, help="an interpreter with transformers")
    parser.add_argument("--model", action="append", default=[], help="MODEL:CALIBRATION to prune")
    parser.add_argument("--llama-cpp", help="an interpreter with xllamacpp; asked about a .gguf export")
    parser.add_argument("--samples", default=32, type=int)
    args = parser.parse_args()
    print("| model | layers | reader | status | logits | greedy text equal | detail |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        work = pathlib.Path(temporary)
        for name, folder in [*pruned(args, work), *((f.name, f) for f in args.folders)]:
            for row in rows_of(args, name, folder, work):
                print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
