#!/usr/bin/env python3
"""The table of readers: who loads what mop writes, and computes the same. One command, Markdown on stdout:

    tests/readers/table.py > bench/runs/DATE-readers.md

The real models lose 40% of their block parameters, once with equal layers and once with layers that differ;
tests/write_models makes small random models of every family, pruned by hand; of those with heads that vLLM has, `mop recover`
trains adapters, which peft and vLLM add to the pruned model. Each is read by transformers in every environment given (default:
those of ./run setup --reference), by vLLM where .env/vllm is (./run setup --vllm), and by llama.cpp as .gguf in float32 and
q8_0. A reader is one process for all models, which compares as `mop check` does
(src/jobs/check_reader.py). Needs build/python.
"""

import argparse
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DATA = pathlib.Path(os.environ.get("MOP_TEST_DATA", ROOT / ".." / "shared" / "data"))
BUILD = pathlib.Path(os.environ.get("MOP_BUILD", ROOT / "build"))
MOP = BUILD / "src" / "mop"
MODELS = [(ROOT / "assets" / "tinystories-12l", ROOT / "assets" / "text" / "generated-calibration.txt"),
          (DATA / "models" / "stories260k", DATA / "text" / "tinystories-v2-valid.txt")]
PROMPT, NEW_TOKENS = "once upon a time there was", 24
LEAST_VLLM_HEAD = 32  # of its attention on CPUs
TOLERANCE = {"hf": 1e-4, "vllm": 1e-3, "f32": 1e-3, "q8_0": 8e-2}


# --- in the environment of a reader: a line of JSON for every model

def job_of(model, logits_file, path, room=10**9):
    """What check_reader.py is told: our logits and how many tokens to continue with; and our continuation."""
    ids = model.tokenizer.encode(PROMPT)
    logits_file.write_bytes(model.logits(__import__("torch").tensor(ids)).float().numpy().tobytes())
    greedy = model.generate(ids, max_new_tokens=min(NEW_TOKENS, room - len(ids)))
    eos = model.config.get("eos_token_id")
    always = model.config["model_type"].startswith("per_layer_")
    return greedy, {"model": str(path), "adapter": "", "code": "auto_map" in model.config, "code_before": "" if always else "4.48",
                    "dtype": "float32", "ids": ids, "vocab": model.config["vocab_size"],
                    "eos": eos if isinstance(eos, list) else [eos] if eos else [],
                    "new_tokens": len(greedy), "logits": str(logits_file)}


def compare(model, form, reader, path, scratch, room=10**9, adapter=""):
    import check_reader
    greedy, job = job_of(model, scratch / "logits", path, room)
    job |= {"reader": reader, "adapter": str(adapter)}
    row = check_reader.run(job)
    if "missing" in row:
        return {"status": "not installed", "detail": row["missing"]}
    if "error" in row:
        return {"version": row["version"], "status": "fails", "detail": row["error"]}
    exact, equal = form != "q8_0", row["greedy"] == greedy
    good = row["difference"] <= TOLERANCE[form] and (equal or not exact)
    return {"version": row["version"], "status": "loads" if good else "differs", "difference": row["difference"],
            "equal": equal}


def ask_by_folder(folder, form, scratch):
    import mop
    model, adapter = mop.load(folder), folder / "adapter"
    if form == "vllm" and model.config["head_dim"] < LEAST_VLLM_HEAD:
        return {"status": "not run", "detail": f"no attention on CPUs for heads of {model.config['head_dim']}"}
    if not adapter.exists():
        return compare(model, form, "transformers" if form == "hf" else form, folder, scratch)
    # The merged model is ours; theirs is the adapter beside the model that it was trained on.
    base = json.loads((adapter / "adapter_config.json").read_text())["base_model_name_or_path"]
    return compare(model, form, "peft" if form == "hf" else form, base, scratch, adapter=adapter)


def ask_llama_cpp(folder, form, scratch):
    import mop
    file = scratch / f"{folder.name}.{form}.gguf"
    try:
        mop.export(folder, file, format="gguf", dtype=form)
    except mop.BadInputError as error:
        return {"status": "refused", "detail": str(error).split("\n")[0]}
    read = mop.load(file)  # its context is the window, where there is one
    return compare(read if form == "q8_0" else mop.load(folder), form, "xllamacpp", file, scratch, read.context)


def serve(form, folders):
    sys.path[:0] = [str(BUILD / "python"), str(ROOT / "src" / "jobs")]
    import warnings
    warnings.simplefilter("ignore")
    ask = ask_by_folder if form in ("hf", "vllm") else ask_llama_cpp
    with tempfile.TemporaryDirectory() as scratch:
        for folder in folders:
            try:
                row = ask(folder, form, pathlib.Path(scratch))
            except Exception as error:  # a row too
                row = {"status": "fails", "detail": f"{type(error).__name__}: {error}"}
            os.write(3, (json.dumps(row) + "\n").encode())


# --- here

def run(command):
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if ran.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{ran.stderr}")
    return ran.stdout


def folders_to_read(work, samples):
    """(name, folder)"""
    for model, text in MODELS:
        if not model.exists():
            print(f"{model.name} is not here: its rows are missing", file=sys.stderr)
            continue
        for allocation in ("uniform", "global"):
            out = work / f"{model.name}-{allocation}"
            run([MOP, "prune", model, "--out", out, "--calibration", text, "--samples", samples, "--remove", "0.4", "--of",
                 "blocks", "--select", "path:LGG", "--allocation", allocation])
            yield model.name, out
    run([BUILD / "tests" / "write_models", work / "families"])
    for folder in sorted((work / "families").iterdir()):
        yield folder.name, folder
        if "-heads-32" in folder.name and not folder.name.endswith("-gone"):
            out = work / f"{folder.name}-lora"
            run([MOP, "recover", folder, "--out", out, "--data", MODELS[0][1], "--tokens", 2000, "--max-tokens", 32, "--set",
                 "accumulate=2", "--set", "learning_rate=3e-3", "--set", "validation.samples=0"])
            yield f"{folder.name}, adapter", out


def rows_by(python, form, folders):
    """A reader's answers; one that ends its process answers nothing more for the models behind."""
    read, write = os.pipe()
    child = subprocess.Popen(["bash", "-c", f'exec "$@" 3>&{write}', "bash", python, __file__, "--serve", form, *folders],
                             pass_fds=[write], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                             env=os.environ | {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error"})
    os.close(write)
    _, errors = child.communicate()
    with os.fdopen(read) as pipe:
        rows = [json.loads(line) for line in pipe]
    last = errors.decode(errors="replace").strip().splitlines()[-1:] or [""]
    return rows + [{"status": "fails", "detail": f"the process ended: {last[0]}"}] * (len(folders) - len(rows))


def kind_of(folder):
    shapes = {tuple(layer.values()) for layer in json.loads(run([MOP, "inspect", folder, "--json"]))["layers"]}
    return "uniform" if len(shapes) == 1 else "per-layer"


def line(name, kind, reader, form, row):
    equal = {None: "-", True: "yes", False: "no"}[row.get("equal")]
    difference = f"{row['difference']:.1e}" if "difference" in row else "-"
    detail = " ".join(row.get("detail", "").replace("|", "\\|").split())[:160]
    return f"| {name} | {kind} | {reader} | {form} | {row['status']} | {difference} | {equal} | {detail} |"


def heading(samples):
    cpu = next((text.split(":", 1)[1].strip() for text in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if text.startswith("model name")), platform.machine())
    version = run([MOP, "--version"]).strip().replace("\n", ", ")
    return (f"# Readers, {datetime.date.today()}\n\n{version}; {cpu}. Command: `tests/readers/table.py`. Real models: 40% of "
            f"the block parameters removed (`--select path:LGG`, {samples} samples); the others: random models of every "
            "family, pruned by hand (tests/readers/write_models.cc); `adapter`: the merged model is mop's, peft and vLLM add the adapter "
            "to the pruned one.\n\nLogits: max|a-b| / max|b|, b the reader's, float32; "
            f"up to {TOLERANCE['hf']:g} (transformers) and {TOLERANCE['f32']:g} (vLLM, llama.cpp: log-probabilities of the first "
            "new token) and the same greedy text is "
            "`loads`. For q8_0 a is mop's own reading of the file: llama.cpp rounds activations as well, so up to "
            f"{TOLERANCE['q8_0']:g}, and greedy text may part. Greedy: {NEW_TOKENS} tokens behind a prompt, inside the window.\n")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", action="append", default=[], help="another interpreter with transformers")
    parser.add_argument("--samples", default=32, type=int)
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("folders", nargs="*", type=pathlib.Path, help="more folders, as they are")
    args = parser.parse_args()
    if args.serve:
        return serve(args.serve, args.folders)
    own = [ROOT / ".env" / name / "bin" / "python" for name in ("reference", "reference4")]
    readers = [("transformers", python, "hf") for python in [*own, *args.python]]
    vllm = ROOT / ".env" / "vllm"
    if (vllm / ".ready").exists():
        readers.append(("vLLM", vllm / "bin" / "python", "vllm"))
    else:
        print("vLLM is not here (./run setup --vllm): its rows are missing", file=sys.stderr)
    readers += [("llama.cpp", own[0], "f32"), ("llama.cpp", own[0], "q8_0")]
    with tempfile.TemporaryDirectory() as temporary:
        named = [*folders_to_read(pathlib.Path(temporary), args.samples), *((f.name, f) for f in args.folders)]
        kinds = [kind_of(folder) for _, folder in named]
        columns = [rows_by(python, form, [folder for _, folder in named]) for _, python, form in readers]
    print(heading(args.samples))
    print("| model | layers | reader | format | status | logits | greedy text equal | detail |\n|" + "---|" * 8)
    versions = [next((row["version"] for row in rows if row.get("version")), "") for rows in columns]
    for i, (name, _) in enumerate(named):
        for (reader, _, form), version, rows in zip(readers, versions, columns, strict=True):
            print(line(name, kinds[i], f"{reader} {version}", "hf" if form in ("hf", "vllm") else f"gguf {form}", rows[i]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
