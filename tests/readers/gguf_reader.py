"""llama.cpp runs the GGUF files that `mop export` writes, and computes what we compute.

FOLDERs are models written by write_models, our logits beside them; --dense and --pruned name whole models with a
tokenizer, for which ids, greedy text and perplexity are compared as well.
"""

import argparse
import json
import pathlib
import re
import subprocess

import numpy as np
import safetensors.numpy
from llama_cpp import LlamaCpp

TOLERANCE = 1e-3  # of logits, float32
# llama.cpp has no q and k norms in an architecture whose layers differ, and no windows.
REFUSED = {"qwen3-layers": "Qwen3", "qwen3-heads-32-layers": "Qwen3", "qwen3-longrope": "factors (llama3, longrope)",
           "qwen3-dynamic": "rope type 'dynamic'", "llava-tower": "the vision tower of this model is pruned"}


def mop(*arguments, fails=False):
    result = subprocess.run(["./mop", *map(str, arguments)], capture_output=True, text=True)
    assert (result.returncode != 0) == fails, f"mop {' '.join(map(str, arguments))}: {result.stderr}"
    return result.stderr if fails else result.stdout


def export(model, out, *options):
    return json.loads(mop("export", model, "--format", "gguf", "--out", out, "--json", *options))


def context_of(folder):
    config = json.loads((folder / "config.json").read_text())
    windowed = config.get("use_sliding_window", config.get("model_type", "").endswith("mistral"))
    window = config.get("sliding_window") if windowed else None
    config = config.get("text_config", config)
    return min(config["max_position_embeddings"], window or 10**9)


def difference(ours, theirs):
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def check_logits(folder, work):
    if folder.name in REFUSED:
        error = mop("export", folder, "--format", "gguf", "--out", work / "refused.gguf", fails=True)
        assert REFUSED[folder.name] in error and not (work / "refused.gguf").exists(), error
        print(f"  {folder.name}: refused, as it must be")
        return
    file = work / f"{folder.name}.gguf"
    export(folder, file, "--dtype", "f32")
    expected = safetensors.numpy.load_file(folder / "ours.safetensors")
    count = min(len(expected["ids"]), context_of(folder))
    model = LlamaCpp(file, 64)
    worst = difference(expected["logits"][:count], model.logits(expected["ids"].tolist()[:count]))
    model.close()
    print(f"  {folder.name}: max|a-b|/max|b| = {worst:.1e}")
    assert worst <= TOLERANCE, f"{folder.name} differs"


BLANKS = "llama.cpp keeps repeated and outer blanks"


def plain_blanks(text):
    """Nothing that a tokenizer which removes blanks would remove; one before a special token is an outer one."""
    return text == text.strip(" \u2581") and not re.search("[ \u2581]{2}|[<>]", text)


def check_tokens(name, model, source, texts, work):
    path = work / "lines.txt"
    lines = [text for text in texts if "\n" not in text and "\0" not in text and text]  # a zero byte is not text
    path.write_text("\n".join(lines) + "\n")
    for special in (False, True):
        ours = json.loads(mop("tokenize", source, "--text", path, "--json", *(["--special"] if special else [])))
        for text, ids in zip(lines, ours["lines"], strict=True):
            theirs = model.tokenize(text, special)
            assert ids == theirs, f"{name}: {text!r} is {ids}, in llama.cpp {theirs}"
    print(f"  {name}: {len(lines)} texts, ids equal")


def check_whole(source, text, texts, work):
    name = source.name
    file = work / f"{name}.whole.gguf"
    answer = export(source, file, "--dtype", "f32")
    if answer["notes"]:
        assert len(answer["notes"]) == 1 and answer["notes"][0].startswith(BLANKS), answer["notes"]
        texts = [text for text in texts if plain_blanks(text)]
    model = LlamaCpp(file, 512)
    check_tokens(name, model, source, texts, work)
    prompt = "once upon a time, there was a"
    ours = json.loads(mop("generate", source, "--prompt", prompt, "--max-new-tokens", 48, "--json"))
    theirs = model.greedy(model.tokenize(prompt), len(ours["ids"]))
    assert ours["ids"] == theirs, f"{name}: greedy {ours['ids']} against {theirs}"
    print(f"  {name}: greedy text of {len(theirs)} tokens equal")
    window = min(512, context_of(source))
    figure = json.loads(mop("eval", source, "--text", text, "--protocol", f"llama.cpp:{window}", "--json"))
    document = model.tokenize(text.read_text(), True)
    theirs = model.perplexity(document, document[0], window)
    apart = abs(figure["perplexity"] / theirs - 1)
    print(f"  {name}: perplexity {figure['perplexity']:.4f}, llama.cpp {theirs:.4f}, apart {apart:.1e}")
    assert apart <= 1e-3, f"{name}: perplexities differ"
    model.close()
    # The file itself is a model for every verb.
    again = json.loads(mop("eval", file, "--text", text, "--protocol", f"llama.cpp:{window}", "--json"))
    assert abs(again["nll"] - figure["nll"]) <= 1e-6, (again["nll"], figure["nll"])


def check_types(source, work):
    """The other types load; q8_0 is no further from ours than eight bits are."""
    for dtype, tolerance in (("f16", 3e-2), ("bf16", 6e-2), ("q8_0", 8e-2)):
        file = work / f"{source.name}.{dtype}.gguf"
        export(source, file, "--dtype", dtype)
        model, exact = LlamaCpp(file, 64), LlamaCpp(work / f"{source.name}.whole.gguf", 64)
        ids = exact.tokenize("once upon a time there was a small dog who")
        worst = difference(model.logits(ids), exact.logits(ids))
        model.close(), exact.close()
        print(f"  {source.name} as {dtype}: {worst:.1e} from float32")
        assert worst <= tolerance, f"{source.name} as {dtype} differs"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="*", type=pathlib.Path)
    parser.add_argument("--whole", action="append", default=[], help="MODEL=TEXT", metavar="MODEL=TEXT")
    parser.add_argument("--work", type=pathlib.Path, required=True)
    args = parser.parse_args()
    texts = [json.loads(line) for line in open("tests/golden/tokenizers/nasty.jsonl", encoding="utf-8")]
    texts = [text if isinstance(text, str) else text["text"] for text in texts]
    for folder in args.folders:
        check_logits(folder, args.work)
    for pair in args.whole:
        source, text = map(pathlib.Path, pair.split("="))
        check_whole(source, text, texts, args.work)
        check_types(source, args.work)


if __name__ == "__main__":
    main()
