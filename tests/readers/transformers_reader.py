"""Loads checkpoints that we wrote with this environment's transformers and compares logits with ours, which lie
beside each in ours.safetensors. A folder whose name ends in "only4" must be refused by transformers 5, as we say."""

import argparse
import pathlib

import safetensors
import torch
import transformers


def load(folder):
    model, info = transformers.AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, output_loading_info=True)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info[kind], f"{folder}: {kind} {info[kind]}"
    return model.eval()


def relative_difference(folder, attention):
    """max|a-b| / max|b|, a ours, b theirs."""
    with safetensors.safe_open(folder / "ours.safetensors", "pt") as file:
        ids, ours = file.get_tensor("ids"), file.get_tensor("logits")
    model = load(folder)
    model.set_attn_implementation(attention)
    with torch.no_grad():
        theirs = model(ids[None]).logits[0]
    return ((ours - theirs).abs().max() / theirs.abs().max()).item()


TEXTS = [
    "once upon a time, there was a cat.", "Two  blanks,   three; a tab\there.", " in front", "behind ", "",
    "line\nbreak\n\ntwice\r\n", "Zo\u00eb \u00fcber \u4f60\u597d \U0001f600 \u0301", "1234567 3.14 -0",
    "def f(x):\n    return x  # why\n", "<s> in the text</s> and <unk>", "\u2581mark\u2581", "\x00\x07 control",
]


def compare_tokenizers(folder, source):
    """The same ids from the folder we wrote as from the one it came from."""
    ours, theirs = (transformers.AutoTokenizer.from_pretrained(path) for path in (folder, source))
    five = int(transformers.__version__.split(".")[0]) >= 5
    for text in TEXTS:
        # There LlamaTokenizer of transformers 5 leaves SentencePiece's own rule, which ours and 4.x follow.
        if five and (text[:1] in (" ", "\u2581") or "<" in text):
            continue
        for special in (False, True):
            a, b = (t.encode(text, add_special_tokens=special) for t in (ours, theirs))
            assert a == b, f"{folder.name}: {text!r} gives {a}, from {source} {b}"
            assert ours.decode(a) == theirs.decode(b), f"{folder.name}: {text!r} is decoded differently"


def refused(folder):
    try:
        load(folder)
    except Exception as error:  # the class differs by version
        return "not a multiple of the number of attention heads" in str(error)
    return False


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--source", action="append", default=[], type=pathlib.Path,
                        help="dense folder of the written folder of the same name: tokenizers must agree")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    args = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    five = int(transformers.__version__.split(".")[0]) >= 5
    print(f"transformers {transformers.__version__}")
    for folder in args.folders:
        if five and folder.name.endswith("only4"):
            assert refused(folder), f"{folder.name} was expected to be refused"
            print(f"  {folder.name}: refused, as announced")
            continue
        worst = max(relative_difference(folder, attention) for attention in ("eager", "sdpa"))
        print(f"  {folder.name}: max|a-b|/max|b| = {worst:.1e}")
        assert worst <= args.tolerance, f"{folder.name} differs"
        for source in args.source:
            if source.name == folder.name:
                compare_tokenizers(folder, source)
                print(f"  {folder.name}: tokenizers equal")


if __name__ == "__main__":
    main()
