"""Goldens of text/: ids and decoded texts of tests/golden/tokenizers/nasty.jsonl by the reference tokenizers.

Three references, since there are three kinds of file:
  tokenizer.json   `tokenizers`, the version of .env/reference
  tiktoken         `tiktoken`, with the splitting pattern and special tokens of Llama 3
  sentencepiece    transformers 4.57.6: LlamaTokenizer (sentencepiece) makes the ids, LlamaTokenizerFast the texts.
                   transformers 5 rewrites such a model as a tokenizer.json that reads leading and repeated
                   blanks otherwise than sentencepiece does; how often is recorded, not followed.
Small tokenizers in the styles of known models are trained here on the project's own text and checked in, so that
most goldens run without ../shared/data.
"""
import base64
import hashlib
import io
import json
import os
import pathlib
import shutil
import struct
import subprocess
import sys

import sentencepiece
import sentencepiece.sentencepiece_model_pb2 as sentencepiece_model_pb2
import tiktoken
import tokenizers
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = ROOT / "tests/golden/tokenizers"
DATA = pathlib.Path(os.environ.get("MOP_TEST_DATA", ROOT.parent / "shared/data"))
TEXTS = [json.loads(line)["text"] for line in (HOME / "nasty.jsonl").read_text().splitlines()]
# A line that is only blank is no sample.
CORPUS = (ROOT / "assets/text/generated-calibration.txt").read_text().splitlines() + [t for t in TEXTS if t.strip()] * 3
# Texts of ../shared/data whose ids are recorded as a hash: each line, and the whole as one document.
DATA_TEXTS = ["text/wikitext2-test.txt", "text/tinystories-v2-valid.txt", "text/generated-calibration.txt"]

GPT4 = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*"
        r"|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = GPT4.replace(r"\p{N}{1,3}", r"\p{N}")


def ids_hash(lists):
    digest = hashlib.sha256()
    for ids in lists:
        digest.update(struct.pack("<q", len(ids)) + struct.pack(f"<{len(ids)}q", *ids))
    return digest.hexdigest()


def data_texts():
    for name in DATA_TEXTS:
        if (DATA / name).exists():
            text = (DATA / name).read_bytes().decode()
            yield name, "document", [text]
            yield name, "lines", [line for line in text.split("\n") if line.strip()]


def write_golden(name, made_by, tokenizer, config, encode, decode, with_data):
    """encode(text, special) -> ids; decode(ids, skip_special) -> text. `tokenizer` is where the file lies."""
    golden = {"made_by": made_by, "tokenizer": tokenizer, "config": config,
              "ids": [encode(t, True) for t in TEXTS], "plain_ids": [encode(t, False) for t in TEXTS]}
    golden["decoded"] = [decode(i, True) for i in golden["ids"]]
    golden["decoded_special"] = [decode(i, False) for i in golden["ids"]]
    golden["data"] = []
    if with_data:
        for file, mode, texts in data_texts():
            ids = [encode(t, True) for t in texts]
            golden["data"].append({"file": file, "mode": mode, "tokens": sum(map(len, ids)), "sha256": ids_hash(ids)})
    text = json.dumps(golden, separators=(",", ":")).replace('],"', '],\n"').replace("],[", "],\n[")
    (HOME / f"{name}.golden.json").write_text(text + "\n")
    print(f"{name}: {sum(map(len, golden['ids']))} ids", file=sys.stderr)


# ---- tokenizer.json ----

def trained(**parts):
    """A BPE tokenizer trained on the corpus with the given normalizer and pre-tokenizer."""
    tokenizer = Tokenizer(models.BPE())
    for key in ("normalizer", "pre_tokenizer"):
        if parts.get(key) is not None:
            setattr(tokenizer, key, parts[key])
    alphabet = pre_tokenizers.ByteLevel.alphabet() if parts.get("bytes", True) else []
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(
        vocab_size=parts.get("size", 700), initial_alphabet=alphabet, show_progress=False, max_token_length=16))
    return json.loads(tokenizer.to_str())


def save(name, spec):
    folder = HOME / name
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.json").write_text(json.dumps(spec, ensure_ascii=True, separators=(",", ":")) + "\n")


def added(spec, *tokens):
    vocab = spec["model"]["vocab"]
    spec["model"]["vocab"] = vocab = {t: i for i, t in enumerate(sorted(vocab, key=vocab.get))}  # no holes
    next_, spec["added_tokens"] = len(vocab), []
    for content, flags in tokens:
        entry = {"id": vocab.get(content, next_), "content": content, "single_word": False,
                 "lstrip": False, "rstrip": False, "normalized": False, "special": True}
        next_ += content not in vocab
        spec["added_tokens"].append(entry | flags)
    spec["added_tokens"].sort(key=lambda t: t["id"])
    return {t["content"]: t["id"] for t in spec["added_tokens"]}


def template(token, id_, eos=None, eos_id=None):
    single = [{"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}]
    special = {token: {"id": token, "ids": [id_], "tokens": [token]}}
    if eos:
        single.append({"SpecialToken": {"id": eos, "type_id": 0}})
        special[eos] = {"id": eos, "ids": [eos_id], "tokens": [eos]}
    return {"type": "TemplateProcessing", "single": single, "special_tokens": special,
            "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}]}


def parts(*list_of, kind):
    return {"type": "Sequence", kind: list(list_of)}


BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}


def split(regex, behavior="Isolated", invert=False, kind="Regex"):
    return {"type": "Split", "pattern": {kind: regex}, "behavior": behavior, "invert": invert}


def make_llama3():
    pre = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(GPT4), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)])
    spec = trained(pre_tokenizer=pre, size=800)
    ids = added(spec, ("<|begin_of_text|>", {}), ("<|end_of_text|>", {}), ("<|start_header_id|>", {}),
                ("<|end_header_id|>", {}), ("<|eot_id|>", {}), ("<|reserved_special_token_0|>", {}))
    spec["model"]["ignore_merges"] = True
    spec["decoder"] = BYTE_LEVEL | {"add_prefix_space": True, "use_regex": True}
    spec["post_processor"] = parts(BYTE_LEVEL, template("<|begin_of_text|>", ids["<|begin_of_text|>"]), kind="processors")
    save("llama3-style", spec)
    # The same vocabulary as Meta writes it.
    folder = HOME / "tiktoken-small"
    folder.mkdir(exist_ok=True)
    chars = {c: b for b, c in bytes_to_unicode().items()}
    rows = sorted((i, bytes(chars[c] for c in t)) for t, i in spec["model"]["vocab"].items())
    lines = [f"{base64.b64encode(b).decode()} {i}" for i, b in rows]
    (folder / "tokenizer.model").write_text("\n".join(lines) + "\n")


def make_qwen2():
    pre = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(QWEN2), "isolated"), pre_tokenizers.ByteLevel(False, use_regex=False)])
    spec = trained(normalizer=normalizers.NFC(), pre_tokenizer=pre, size=600)
    added(spec, ("<|endoftext|>", {}), ("<|im_start|>", {}), ("<|im_end|>", {}),
          ("<tool_call>", {"special": False}), ("</tool_call>", {"special": False}), ("<|fim_prefix|>", {"special": False}))
    spec["decoder"] = spec["post_processor"] = BYTE_LEVEL
    spec["model"]["merges"] = [" ".join(m) for m in spec["model"]["merges"]]
    save("qwen2-style", spec)


def byte_fallback_spec(normalizer, pre):
    """LLaMA-2's layout: <unk> <s> </s>, 256 bytes, then what was trained."""
    learned = trained(normalizer=normalizer, pre_tokenizer=pre, bytes=False, size=600)
    keep = {t for t in learned["model"]["vocab"] if len(t) > 1 or t.isascii() or t == "\u2581"}
    # A tokenizer that spells everything would never fall back on bytes.
    merges = [m for m in learned["model"]["merges"] if {m[0], m[1], m[0] + m[1]} <= keep and (m[0] + m[1]).isascii() or m[0][0] == "\u2581"]
    merges = [m for m in merges if m[0] in keep and m[1] in keep]
    vocab = {t: i for i, t in enumerate(["<unk>", "<s>", "</s>"] + [f"<0x{b:02X}>" for b in range(256)])}
    for token in sorted(keep, key=lambda t: learned["model"]["vocab"][t]):
        vocab.setdefault(token, len(vocab))
    merges = [m for m in merges if all(t in vocab for t in (m[0], m[1], m[0] + m[1]))]
    learned["model"].update(vocab=vocab, merges=merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True)
    added(learned, ("<unk>", {}), ("<s>", {}), ("</s>", {}))
    learned["decoder"] = parts({"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"},
                               {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}, kind="decoders")
    return learned


def make_llama2():
    spec = byte_fallback_spec(normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")]), None)
    spec["post_processor"] = template("<s>", 1)
    spec["model"]["merges"] = [" ".join(m) for m in spec["model"]["merges"]]
    save("llama2-style", spec)


def make_mistral():
    pre = pre_tokenizers.Metaspace(replacement="\u2581", prepend_scheme="first", split=False)
    spec = byte_fallback_spec(None, pre)
    ids = added(spec, ("<unk>", {}), ("<s>", {}), ("</s>", {}), ("[INST]", {}), ("[/INST]", {}))
    spec["post_processor"] = template("<s>", ids["<s>"], "</s>", ids["</s>"])
    save("mistral-style", spec)


def make_metaspace():
    """Always a mark in front, one word a mark; unknown characters one by one; tokens with every flag."""
    spec = trained(pre_tokenizer=pre_tokenizers.Sequence([pre_tokenizers.Digits(True), pre_tokenizers.Metaspace()]),
                   bytes=False, size=500)
    spec["model"]["vocab"] = {"<unk>": max(spec["model"]["vocab"].values()) + 1, **spec["model"]["vocab"]}
    rare = [t for t in spec["model"]["vocab"] if len(t) == 1 and ord(t) > 0x3000]
    spec["model"]["vocab"] = {t: i for t, i in spec["model"]["vocab"].items() if t not in rare}
    spec["model"]["merges"] = [m for m in spec["model"]["merges"] if not set("".join(m)) & set(rare)]
    spec["model"]["unk_token"] = "<unk>"
    ids = added(spec, ("<unk>", {}), ("<mask>", {"lstrip": True}), ("</s>", {"rstrip": True}), ("<s>", {"lstrip": True, "rstrip": True}),
          ("[WORD]", {"single_word": True, "special": False}), ("extra", {"single_word": True, "normalized": True, "special": False}),
          ("[INST]", {"normalized": True, "special": False}))
    spec["decoder"] = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    spec["post_processor"] = {"type": "RobertaProcessing", "sep": ["</s>", ids["</s>"]], "cls": ["<s>", ids["<s>"]],
                              "trim_offsets": True, "add_prefix_space": False}
    save("metaspace-split", spec)


def make_lowercase():
    """Normalizers that change the text, words by Whitespace and Punctuation, fused unknowns, a normalised token."""
    norm = normalizers.Sequence([normalizers.NFKD(), normalizers.StripAccents(), normalizers.Lowercase(), normalizers.Strip(),
                                 normalizers.Replace(Regex(r"\s+"), " "), normalizers.NFKC()])
    pre = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Digits(False), pre_tokenizers.Punctuation("contiguous")])
    spec = trained(normalizer=norm, pre_tokenizer=pre, bytes=False, size=400)
    spec["model"]["vocab"] = {t: i for t, i in spec["model"]["vocab"].items() if len(t) > 1 or ord(t) < 0x250}
    spec["model"]["merges"] = [m for m in spec["model"]["merges"] if all(t in spec["model"]["vocab"] for t in m)]
    spec["model"]["vocab"] = {"<unk>": max(spec["model"]["vocab"].values()) + 1, **spec["model"]["vocab"]}
    spec["model"].update(unk_token="<unk>", fuse_unk=True)
    added(spec, ("<unk>", {}), ("Extra", {"normalized": True, "special": False}), ("<S>", {"normalized": True, "special": False}))
    spec["decoder"] = None
    save("lowercase-words", spec)


def make_splits():
    """Every split behaviour, one behind the other, and GPT-2's own pattern with a blank in front."""
    pre = pre_tokenizers.Sequence([
        pre_tokenizers.Split("\n", "merged_with_previous"), pre_tokenizers.Split(Regex(r"[aeiou]"), "merged_with_next"),
        pre_tokenizers.Split(Regex(r"[A-Z]"), "contiguous"), pre_tokenizers.Split("-", "removed"),
        pre_tokenizers.Split(Regex(r"[\w\s]+"), "isolated", invert=True), pre_tokenizers.Split(Regex(r"\d\D"), "isolated"),
        pre_tokenizers.WhitespaceSplit(), pre_tokenizers.ByteLevel(True)])
    spec = trained(pre_tokenizer=pre, size=500)
    added(spec, ("<s>", {"normalized": True}))
    spec["decoder"] = BYTE_LEVEL
    save("splits", spec)


def unigram_pieces(size, **settings):
    """(piece, score) of a small SentencePiece Unigram model of the corpus, and its table of replacements."""
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([t for t in CORPUS if "\0" not in t and len(t) < 4000]), model_writer=out, vocab_size=size,
        model_type="unigram", num_threads=1, minloglevel=2, character_coverage=0.98, **settings)
    model = sentencepiece_model_pb2.ModelProto.FromString(out.getvalue())
    return [[p.piece, p.score] for p in model.pieces], base64.b64encode(model.normalizer_spec.precompiled_charsmap).decode()


def unigram(pieces, unknown, **more):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": [], "normalizer": None, "pre_tokenizer": None,
            "post_processor": None, "decoder": None,
            "model": {"type": "Unigram", "unk_id": unknown, "vocab": pieces, "byte_fallback": False}} | more


def mark_added(spec, *contents):
    texts = [p for p, _ in spec["model"]["vocab"]]
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    spec["added_tokens"] = [{"id": texts.index(c), "content": c} | flags for c in contents]


def make_unigram_t5():
    """T5's layout: a table of replacements, words by white space, </s> behind, unknown characters fused."""
    rules = HOME.parent.parent.parent / ".env/tmp/rules.tsv"
    pairs = {"\uFB01": "fi", "\uFF21": "A", "\u00BD": "1/2", "e\u0301": "\u00E9", "\u3000": " ", "\u200B": "", "\u2026": "...",
             "\u00A0": " ", "\n": " ", "\t": " ", "\u212B": "\u00C5", "\U0001F600": ":)"}
    hexes = lambda text: " ".join(f"{ord(c):X}" for c in text)
    rules.write_text("".join(f"{hexes(a)}\t{hexes(b)}\n" for a, b in pairs.items()))
    pieces, charsmap = unigram_pieces(500, normalization_rule_tsv=str(rules), pad_id=0, eos_id=1, unk_id=2, bos_id=-1,
                                      user_defined_symbols=["<extra_id_0>"])
    metaspace = {"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True}
    spec = unigram(pieces, 2, decoder=metaspace, post_processor=template_behind("</s>", 1),
                   normalizer=parts({"type": "Precompiled", "precompiled_charsmap": charsmap},
                                    {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": " "}, kind="normalizers"),
                   pre_tokenizer=parts({"type": "WhitespaceSplit"}, metaspace, kind="pretokenizers"))
    mark_added(spec, "<pad>", "</s>", "<unk>", "<extra_id_0>")
    save("unigram-t5-style", spec)


def template_behind(token, id_):
    one = lambda name, kind: [{"Sequence": {"id": name, "type_id": kind}}, {"SpecialToken": {"id": token, "type_id": kind}}]
    return {"type": "TemplateProcessing", "single": one("A", 0), "pair": one("A", 0) + one("B", 1),
            "special_tokens": {token: {"id": token, "ids": [id_], "tokens": [token]}}}


def make_unigram_bytes():
    """LLaMA's layout around a Unigram model: bytes for what no piece spells."""
    pieces, _ = unigram_pieces(700, normalization_rule_name="identity", remove_extra_whitespaces=False, byte_fallback=True)
    spec = unigram(pieces, 0, post_processor=template("<s>", 1),
                   pre_tokenizer={"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "first", "split": False},
                   decoder=parts({"type": "Replace", "pattern": {"String": "\u2581"}, "content": " "}, {"type": "ByteFallback"},
                                 {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}, kind="decoders"))
    spec["model"]["byte_fallback"] = True
    mark_added(spec, "<unk>", "<s>", "</s>")
    save("unigram-bytes", spec)


def make_unigram_nmt():
    """XLNet's layout: rewritten quotes, Nmt, compatibility forms, no accents; text first, then two tokens."""
    pieces, _ = unigram_pieces(450, normalization_rule_name="identity", control_symbols=["<sep>", "<cls>"])
    replace = lambda a, b: {"type": "Replace", "pattern": {"String": a}, "content": b}
    spec = unigram(pieces, 0, decoder={"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True},
                   normalizer=parts(replace("``", '"'), replace("''", '"'), {"type": "Nmt"}, {"type": "NFKD"},
                                    {"type": "StripAccents"}, {"type": "Lowercase"}, kind="normalizers"),
                   pre_tokenizer={"type": "Metaspace", "replacement": "\u2581", "prepend_scheme": "always", "split": True})
    mark_added(spec, "<unk>", "<sep>", "<cls>")
    save("unigram-nmt", spec)


def bytes_to_unicode():
    keep = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table, next_ = {b: chr(b) for b in keep}, 0x100
    for byte in range(256):
        if byte not in table:
            table[byte], next_ = chr(next_), next_ + 1
    return table


def golden_json(name, where, path, with_data):
    tokenizer = Tokenizer.from_file(str(path))
    for entry in json.loads(path.read_text())["added_tokens"]:
        assert tokenizer.token_to_id(entry["content"]) == entry["id"], (name, entry)
    tokenizer.no_truncation()  # as transformers does unless asked to cut
    tokenizer.no_padding()
    write_golden(name, {"tokenizers": tokenizers.__version__}, where, None,
                 lambda t, special: tokenizer.encode(t, add_special_tokens=special).ids,
                 lambda ids, skip: tokenizer.decode(ids, skip_special_tokens=skip), with_data)


# ---- tiktoken ----

def golden_tiktoken(name, where, path, with_data):
    ranks = {base64.b64decode(token): int(rank) for token, rank in
             (line.split() for line in path.read_bytes().splitlines() if line)}
    names = ["<|begin_of_text|>", "<|end_of_text|>", *(f"<|reserved_special_token_{i}|>" for i in range(4)),
             "<|start_header_id|>", "<|end_header_id|>", "<|reserved_special_token_4|>", "<|eot_id|>",
             *(f"<|reserved_special_token_{i}|>" for i in range(5, 251))]
    special = {token: len(ranks) + i for i, token in enumerate(names)}
    encoding = tiktoken.Encoding(name, pat_str=GPT4, mergeable_ranks=ranks, special_tokens=special)

    def encode(text, with_special):
        ids = encoding.encode(text, allowed_special="all")
        return [special["<|begin_of_text|>"], *ids] if with_special else ids

    def decode(ids, skip):
        return encoding.decode([i for i in ids if not (skip and i >= len(ranks))])
    write_golden(name, {"tiktoken": tiktoken.__version__}, where, None, encode, decode, with_data)


# ---- sentencepiece ----

def make_sentencepiece():
    folder = HOME / "sentencepiece-small"
    folder.mkdir(exist_ok=True)
    lines = [t for t in CORPUS if "\0" not in t and len(t) < 4000]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines), model_prefix=str(folder / "tokenizer"), vocab_size=900, model_type="bpe",
        normalization_rule_name="identity", remove_extra_whitespaces=False, byte_fallback=True, split_digits=True,
        allow_whitespace_only_pieces=True, character_coverage=0.98, user_defined_symbols=["[INST]", "<tool_call>"],
        num_threads=1, minloglevel=2)
    (folder / "tokenizer.vocab").unlink()


def config(**changes):
    base = {"tokenizer_class": "LlamaTokenizer", "add_bos_token": True, "add_eos_token": False, "bos_token": "<s>",
            "eos_token": "</s>", "unk_token": "<unk>", "legacy": True, "clean_up_tokenization_spaces": False}
    return base | changes


def token(content, **flags):
    return {"content": content, "lstrip": False, "rstrip": False, "normalized": False, "single_word": False, "special": True} | flags


def sentencepiece_cases():
    demo = "assets/tinystories-12l/tokenizer.model"
    small = "tests/golden/tokenizers/sentencepiece-small/tokenizer.model"
    more = {str(i): token(t, special=i < 3) for i, t in enumerate(["<unk>", "<s>", "</s>"])}
    more |= {"900": token("<mask>", lstrip=True, rstrip=True), "901": token("<tool>", special=False, normalized=True)}
    yield "demo", demo, config(model_max_length=256)
    yield "demo-new-rules", demo, config(legacy=False, add_eos_token=True)
    yield "sentencepiece-small", small, config()
    yield "sentencepiece-small-new-rules", small, config(legacy=False)
    yield "sentencepiece-small-no-blank", small, config(legacy=False, add_prefix_space=False, add_bos_token=False)
    yield "sentencepiece-small-added", small, config(added_tokens_decoder=more, pad_token="<pad>")
    yield "stories260k", "data:models/stories260k/tokenizer.model", config(model_max_length=512)
    yield "llama2", "data:tokenizers/llama2.model", config()
    yield "llama2-new-rules", "data:tokenizers/llama2.model", config(legacy=False)


def path_of(where):
    return DATA / where[5:] if where.startswith("data:") else ROOT / where


def golden_sentencepiece():
    """In transformers 4, whose environment is made beside the reference's when it is not there."""
    home = ROOT / ".env/reference4"
    python = home / "bin/python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", home], check=True)
        subprocess.run([python, "-m", "pip", "-q", "install", "transformers==4.57.6", "sentencepiece==0.2.3",
                        "protobuf==7.36.2"], check=True)
    cases = [c for c in sentencepiece_cases() if path_of(c[1]).exists()]
    script = ROOT / "tools/golden/transformers4/sentencepiece_ids.py"
    for name, where, settings in cases:
        folder = ROOT / ".env/tmp/golden" / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(path_of(where), folder / "tokenizer.model")
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        texts = {"nasty": TEXTS} | {f"{f}|{m}": t for f, m, t in data_texts()}
        request = json.dumps({"folder": str(folder), "texts": texts})
        answer = json.loads(subprocess.run([python, script], input=request, capture_output=True, text=True, check=True).stdout)
        ids = {t: i for key in texts for t, i in zip(texts[key], answer["ids"][key])}
        plain = dict(zip(TEXTS, answer["plain_ids"]))
        decoded = {True: answer["decoded"], False: answer["decoded_special"]}
        order = {json.dumps(i): n for n, i in enumerate(answer["ids"]["nasty"])}
        write_golden(name, answer["made_by"] | transformers5_differs(folder, answer["ids"]["nasty"]), where, settings,
                     lambda t, special: ids[t] if special else plain[t],
                     lambda i, skip: decoded[skip][order[json.dumps(i)]], True)


def transformers5_differs(folder, ids):
    import transformers
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    differ = sum(tokenizer.encode(t) != i for t, i in zip(TEXTS, ids))
    return {"texts_that_transformers_%s_reads_otherwise" % transformers.__version__: differ}


def main():
    make_llama3(), make_qwen2(), make_llama2(), make_mistral(), make_metaspace(), make_lowercase(), make_splits()
    make_unigram_t5(), make_unigram_bytes(), make_unigram_nmt()
    make_sentencepiece()
    for name in ("llama3-style", "qwen2-style", "llama2-style", "mistral-style", "metaspace-split", "lowercase-words", "splits",
                 "unigram-t5-style", "unigram-bytes", "unigram-nmt"):
        golden_json(name, f"tests/golden/tokenizers/{name}/tokenizer.json", HOME / name / "tokenizer.json", True)
    golden_tiktoken("tiktoken-small", "tests/golden/tokenizers/tiktoken-small/tokenizer.model", HOME / "tiktoken-small/tokenizer.model", True)
    golden_sentencepiece()
    if DATA.exists():
        golden_json("gpt2", "data:tokenizers/gpt2/tokenizer.json", DATA / "tokenizers/gpt2/tokenizer.json", True)
        golden_tiktoken("llama3", "data:tokenizers/llama3-tiktoken.model", DATA / "tokenizers/llama3-tiktoken.model", True)


main()
