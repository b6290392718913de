"""Loads checkpoints that we wrote with this environment's transformers and compares logits with ours, which lie
beside each in ours.safetensors; those of a prompt with a picture too, where the model sees. A folder with modelling code is also generated from, with and without a cache, and
differentiated; where the code is for old versions alone, recent ones load the folder without it too."""

import argparse
import json
import pathlib
import tempfile

import safetensors
import torch
import transformers


# Spelled dtype since 4.56.
VERSION = tuple(int(part) for part in transformers.__version__.split(".")[:2])
DTYPE = {"dtype" if VERSION >= (4, 56) else "torch_dtype": torch.float32}


def config_of(folder):
    return json.loads((folder / "config.json").read_text())


def has_code(folder):
    return "auto_map" in config_of(folder)


def ways_to_load(folder):
    """trust_remote_code: what must give our logits."""
    for_old_ones = has_code(folder) and not config_of(folder)["model_type"].startswith("per_layer_")
    own_class_too = for_old_ones and VERSION >= (4, 48)
    return [None, True] if own_class_too else [has_code(folder)]


def auto_class(folder):
    sees = "vision_config" in config_of(folder)
    return transformers.AutoModelForImageTextToText if sees else transformers.AutoModelForCausalLM


def load(folder, trust=True, **options):
    model, info = auto_class(folder).from_pretrained(
        folder, **DTYPE, output_loading_info=True, trust_remote_code=trust, **options)
    for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        assert not info[kind], f"{folder}: {kind} {info[kind]}"
    return model.eval()


def relative_difference(folder, attention, trust):
    """max|a-b| / max|b|, a ours, b theirs."""
    with safetensors.safe_open(folder / "ours.safetensors", "pt") as file:
        ours = {name: file.get_tensor(name) for name in file.keys()}
    model = load(folder, trust, attn_implementation=attention)
    prompts = [("ids", "logits", {})]
    if "pixels" in ours:
        prompts.append(("seen_ids", "seen_logits", {"pixel_values": ours["pixels"]}))
    worst = 0
    for ids, logits, seen in prompts:
        with torch.no_grad():
            theirs = model(ours[ids][None], **seen).logits[0]
        worst = max(worst, ((ours[logits] - theirs).abs().max() / theirs.abs().max()).item())
    return worst


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


def check_code(folder):
    """generate() gives the same with and without a cache, batched and padded; every parameter has a gradient; the
    folder that transformers saves is read again."""
    model = load(folder)
    ids = torch.arange(3, 23).view(2, 10)
    mask = torch.ones_like(ids)
    mask[1, :4] = 0
    for options in ({}, {"num_beams": 3}):
        texts = [model.generate(ids, attention_mask=mask, max_new_tokens=12, do_sample=False, pad_token_id=0,
                                use_cache=cache, **options).tolist() for cache in (True, False)]
        assert texts[0] == texts[1], f"{folder.name}: the cache changes what is generated"
    model(ids, labels=ids).loss.backward()
    seen = ("vision_tower", "multi_modal_projector", "image_newline")  # by pictures, of which there are none
    assert all(p.grad is not None for name, p in model.named_parameters() if not any(part in name for part in seen)), \
        f"{folder.name}: a parameter has no gradient"
    with tempfile.TemporaryDirectory() as saved:
        model.save_pretrained(saved)
        again = load(pathlib.Path(saved))
        assert torch.equal(again(ids).logits, model(ids).logits), f"{folder.name}: differs when saved again"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folders", nargs="+", type=pathlib.Path)
    parser.add_argument("--source", action="append", default=[], type=pathlib.Path,
                        help="dense folder of the written folder of the same name: tokenizers must agree")
    parser.add_argument("--tolerance", type=float, default=1e-4)
    args = parser.parse_args()
    transformers.utils.logging.disable_progress_bar()
    print(f"transformers {transformers.__version__}")
    for folder in args.folders:
        worst = max(relative_difference(folder, attention, trust) for attention in ("eager", "sdpa")
                    for trust in ways_to_load(folder))
        print(f"  {folder.name}: max|a-b|/max|b| = {worst:.1e}")
        assert worst <= args.tolerance, f"{folder.name} differs"
        if has_code(folder):
            check_code(folder)
            print(f"  {folder.name}: generates, differentiates and saves with its own code")
        for source in args.source:
            if source.name == folder.name:
                compare_tokenizers(folder, source)
                print(f"  {folder.name}: tokenizers equal")


if __name__ == "__main__":
    main()
