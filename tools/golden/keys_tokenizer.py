"""Schemas of the tokenizer's files: tests/golden/keys/tokenizer.json and tokenizer_config.json.

tokenizer.json: every kind of part that `tokenizers` has, made, written as JSON and walked: "model.BPE.dropout".
tokenizer_config.json: what transformers takes: the parameters of its tokenizer classes, the special tokens' names, and
what its base classes pop from their keyword arguments. special_tokens_map.json has a part of the same keys.
Run by ./run golden in .env/reference; it asks .env/reference4 for transformers 4's.
"""
import base64
import inspect
import json
import pathlib
import re
import struct
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = ROOT / "tests/golden/keys"
CLASSES = ("LlamaTokenizer LlamaTokenizerFast CodeLlamaTokenizer GPT2Tokenizer GPT2TokenizerFast Qwen2Tokenizer Qwen2TokenizerFast "
           "GemmaTokenizer GemmaTokenizerFast T5Tokenizer T5TokenizerFast CohereTokenizer CohereTokenizerFast PreTrainedTokenizerFast "
           "PreTrainedTokenizer TokenizersBackend SentencePieceBackend PythonBackend").split()


def config_keys():
    import transformers
    from transformers import tokenization_utils_base as base
    keys = {"tokenizer_class", "auto_map", "added_tokens_decoder", "processor_class"}
    keys |= set(getattr(base.PreTrainedTokenizerBase, "SPECIAL_TOKENS_ATTRIBUTES", []))
    keys |= set(getattr(base.SpecialTokensMixin, "SPECIAL_TOKENS_ATTRIBUTES", [])) if hasattr(base, "SpecialTokensMixin") else set()
    modules = {base}
    for name in CLASSES:
        cls = getattr(transformers, name, None)
        if cls is None or getattr(cls, "_backends", None) and not hasattr(cls, "vocab_files_names"):
            continue
        for parent in cls.__mro__:
            if not parent.__module__.startswith("transformers") or "__init__" not in vars(parent):
                continue
            modules.add(sys.modules[parent.__module__])
            for parameter in inspect.signature(parent.__init__).parameters.values():
                if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY) and parameter.name != "self":
                    keys.add(parameter.name)
    for module in modules:
        keys |= set(re.findall(r'(?:kwargs|tokenizer_config)\.(?:pop|get|setdefault)\(\s*"(\w+)"', inspect.getsource(module)))
    return transformers.__version__, sorted(keys)


def walk(prefix, part, keys):
    """A part's own keys; parts inside are walked under their own names."""
    for key, value in part.items():
        if key != "type":
            keys.add(f"{prefix}.{part['type']}.{key}")


def tokenizer_keys():
    import tokenizers
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    tokenizer = Tokenizer(models.BPE(vocab={"<a>": 0}, merges=[]))
    tokenizer.add_special_tokens(["<a>"])
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding()
    whole = json.loads(tokenizer.to_str())
    keys = set(whole) | {f"added_tokens.{k}" for k in whole["added_tokens"][0]}
    keys |= {f"{part}.{k}" for part in ("truncation", "padding") for k in whole[part]}
    charsmap = struct.pack("<II", 4, 0) + b"\0"
    arguments = {
        "model": {"BPE": {}, "Unigram": {}, "WordPiece": {}, "WordLevel": {}},
        "normalizer": {"Precompiled": (charsmap,), "Prepend": ("a",), "Replace": ("a", "b"), "Sequence": ([],)},
        "pre_tokenizer": {"CharDelimiterSplit": ("a",), "Split": ("a", "isolated"), "Sequence": ([],)},
        "decoder": {"Replace": ("a", "b"), "Sequence": ([],), "Strip": (" ", 1, 0)},
        "post_processor": {"BertProcessing": (("b", 1), ("a", 0)), "RobertaProcessing": (("b", 1), ("a", 0)), "Sequence": ([],),
                           "TemplateProcessing": {"single": "<a> $A", "special_tokens": [("<a>", 0)]}},
    }
    sections = {"model": models, "normalizer": normalizers, "pre_tokenizer": pre_tokenizers, "decoder": decoders, "post_processor": processors}
    for section, module in sections.items():
        base = {"model": "Model", "normalizer": "Normalizer", "pre_tokenizer": "PreTokenizer", "decoder": "Decoder", "post_processor": "PostProcessor"}[section]
        for name, cls in vars(module).items():
            if not inspect.isclass(cls) or name == base or not issubclass(cls, getattr(module, base)):
                continue
            given = arguments[section].get(name, ())
            try:
                made = cls(**given) if isinstance(given, dict) else cls(*given)
            except Exception as error:  # a table that is no table: its keys are known all the same
                print(f"{section}.{name}: {error}", file=sys.stderr)
                keys.add(f"{section}.{name}.{'precompiled_charsmap' if name == 'Precompiled' else ''}".rstrip("."))
                continue
            part = json.loads(made.__getstate__())
            walk(section, {"type": name} | part, keys)
            keys.add(f"{section}.{name}")
    return tokenizers.__version__, sorted(keys)


def write(name, source, keys):
    HOME.mkdir(exist_ok=True)
    (HOME / name).write_text(json.dumps({"source": source, "keys": keys}, indent=1) + "\n")
    print(f"{name}: {len(keys)} keys", file=sys.stderr)


def main():
    if sys.argv[1:] == ["config"]:
        print(json.dumps(config_keys()))
        return
    version, keys = tokenizer_keys()
    write("tokenizer.json", f"tokenizers {version}", keys)
    five, keys = config_keys()
    old = subprocess.run([ROOT / ".env/reference4/bin/python", __file__, "config"], capture_output=True, text=True, check=True)
    four, more = json.loads(old.stdout)
    write("tokenizer_config.json", f"transformers {five} and {four}", sorted({*keys, *more}))


main()
