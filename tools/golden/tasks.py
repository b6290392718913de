#!/usr/bin/env python3
"""Zero-shot tasks by lm_eval on local files -> tests/golden/tasks/expected.json.

lm_eval lives in its own environment, .env/lm_eval, made here when it is missing, with the last transformers 4. Its tasks are the package's own:
each is included from the installed package and only told to read a local jsonl file.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENVIRONMENT = ROOT / ".env" / "lm_eval"
PINS = ROOT / "tools" / "golden" / "lm_eval_requirements.txt"


def enter_environment():
    """Runs this program again by .env/lm_eval's Python, unless that is the one that runs it."""
    python = ENVIRONMENT / "bin" / "python"
    if pathlib.Path(sys.prefix).resolve() == ENVIRONMENT.resolve():
        return
    if not (ENVIRONMENT / ".ready").exists():
        subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
        purelib = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = subprocess.check_output([python, "-c", purelib], text=True).strip()
        (pathlib.Path(site) / "torch.pth").write_text(f"{ROOT / '.env' / 'libtorch'}\n")
        pip = [python, "-m", "pip", "--disable-pip-version-check", "-q", "install", "--no-compile", "--no-deps"]
        subprocess.run([*pip, "-r", PINS], check=True)
        (ENVIRONMENT / ".ready").write_text("")
    os.execv(python, [str(python), *sys.argv])


# Task: the package's file, our data file, the split that lm_eval evaluates.
TASKS = {
    "arc_easy": ("arc/arc_easy.yaml", "arc-easy-test.jsonl", "test"),
    "arc_challenge": ("arc/arc_challenge.yaml", "arc-challenge-test.jsonl", "test"),
    "piqa": ("piqa/piqa.yaml", "piqa-validation.jsonl", "validation"),
    "hellaswag": ("hellaswag/hellaswag.yaml", "hellaswag-validation.jsonl", "validation"),
    "winogrande": ("winogrande/default.yaml", "winogrande-validation.jsonl", "validation"),
    "boolq": ("super_glue/boolq/default.yaml", "boolq-validation.jsonl", "validation"),
    "openbookqa": ("openbookqa/openbookqa.yaml", "openbookqa-test.jsonl", "test"),
    "lambada_openai": ("lambada/lambada_openai.yaml", "lambada-openai-test.jsonl", "test"),
    "wikitext": ("wikitext/wikitext.yaml", "wikitext-test.jsonl", "test"),
}


def with_parts_of_context(file, folder):
    """HellaSwag without ctx_a and ctx_b: ctx whole as the first, an empty second (lm_eval strips the blank between)."""
    rows = [json.loads(line) for line in file.read_text().splitlines() if line.strip()]
    if "ctx_a" in rows[0]:
        return file, "hellaswag"
    for row in rows:
        row.update(ctx_a=row["ctx"], ctx_b="")
    copy = folder / file.name
    copy.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return copy, "hellaswag_ctx"


def write_task(name, data, folder):
    """A task file for lm_eval; returns the task's name, None when `data` has no file for it."""
    import lm_eval

    package = pathlib.Path(lm_eval.__file__).parent / "tasks"
    source, file_name, split = TASKS[name]
    file = data / file_name
    if not file.exists():
        return None
    if name == "hellaswag":
        file, name = with_parts_of_context(file, folder)
    files = {split: str(file)}
    train = data / file_name.replace(f"-{split}.", "-train.")
    if train.exists():
        files["train"] = str(train)
    # The package's file says which functions belong to it by its own place, so it is included, not copied.
    config = {
        "include": str(package / source),
        "task": name,
        "dataset_path": "json",
        "dataset_name": None,
        "dataset_kwargs": {"data_files": files},
        "training_split": "train" if train.exists() else None,
        "validation_split": "validation" if split == "validation" else None,
        "test_split": "test" if split == "test" else None,
    }
    (folder / f"{name}.yaml").write_text(json.dumps(config, indent=1))
    return name


def evaluate(model, data, names, bos="auto", limit=None, fewshot=0, batch_size=16, dtype="float32",
             tokenizer=None, **options):
    """lm_eval's own result, samples included. `bos`: auto = the tokenizer's rule, never = as 0.4.7 to 0.4.9.1, always.

    A tokenizer.model without a tokenizer.json is read by sentencepiece itself (transformers 4 still can): the fast
    tokenizers that transformers makes of such a file read runs of blanks otherwise, in 4 and in 5.
    """
    os.environ.update(HF_DATASETS_OFFLINE="1", HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        os.environ["HF_DATASETS_CACHE"] = str(folder / "cache")
        tasks = [task for task in (write_task(name, data, folder) for name in names) if task]
        rule = {"auto": None, "never": False, "always": True}[bos]
        lm = HFLM(pretrained=str(model), tokenizer=str(tokenizer or model), dtype=dtype, device="cpu",
                  batch_size=batch_size, add_bos_token=rule,
                  use_fast_tokenizer=(pathlib.Path(tokenizer or model) / "tokenizer.json").exists())
        manager = TaskManager(include_path=str(folder), include_defaults=False)
        return simple_evaluate(model=lm, tasks=tasks, task_manager=manager, limit=limit, num_fewshot=fewshot,
                               log_samples=True, **options)


def items_of(samples):
    """[(document number, [log-likelihoods], [greedy?])] in the order of the documents."""
    items = []
    for sample in sorted(samples, key=lambda s: s["doc_id"]):
        replies = [reply[0] if isinstance(reply, list) else reply for reply in sample["resps"]]
        pairs = [reply if isinstance(reply, (list, tuple)) else (reply, False) for reply in replies]
        items.append((sample["doc_id"], [float(p[0]) for p in pairs], [str(p[1]) == "True" for p in pairs]))
    return items


def golden_case(model, data, name, bos, fewshot=0):
    result = evaluate(ROOT / model, data, [name], bos, fewshot=fewshot)
    (task,) = result["results"]
    samples = result["samples"][task]
    metrics = {k: v for k, v in result["results"][task].items() if "," in k}
    return {
        "model": model,
        "task": task,
        "bos": bos,
        "fewshot": fewshot,
        "metrics": metrics,
        "loglikelihoods": [[round(x, 5) for x in item[1]] for item in items_of(samples)],
        "greedy": [[int(x) for x in item[2]] for item in items_of(samples)],
        "hashes": [s["doc_hash"][:12] + s["prompt_hash"][:12] + s["target_hash"][:12] for s in samples],
    }


def main():
    enter_environment()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=pathlib.Path, default=ROOT / "tests/golden/tasks/data")
    parser.add_argument("--out", type=pathlib.Path, default=ROOT / "tests/golden/tasks/expected.json")
    parser.add_argument("--tasks", default=",".join(TASKS))
    args = parser.parse_args()
    import lm_eval
    import torch
    import transformers

    torch.set_num_threads(1)  # the model is small, and other work may run beside
    cases = []
    names = args.tasks.split(",")
    # This model's tokenizer adds BOS by its own rule, so "always" says little new.
    for bos, some in (("auto", names), ("never", names), ("always", names[-1:])):
        for name in some:
            cases.append(golden_case("assets/tinystories-12l", args.data, name, bos))
            print(bos, name, cases[-1]["metrics"], flush=True)
    if "piqa" in names:
        cases.append(golden_case("assets/tinystories-12l", args.data, "piqa", "auto", fewshot=2))
    versions = {"lm_eval": lm_eval.__version__, "transformers": transformers.__version__}
    args.out.write_text(json.dumps({**versions, "dtype": "float32", "cases": cases}, indent=1) + "\n")


if __name__ == "__main__":
    main()
