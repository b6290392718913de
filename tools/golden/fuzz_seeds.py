#!/usr/bin/env python3
"""tests/fuzz/seeds: what no other golden is a small whole file of -- GGUF models with a tokenizer of either kind, a
SentencePiece model and a tokenizer.json with a table of replacements."""

import base64
import io
import json
import pathlib
import tempfile

import gguf
import numpy
import sentencepiece
from sentencepiece import sentencepiece_model_pb2

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEEDS = ROOT / "tests" / "fuzz" / "seeds"
HIDDEN, HEADS, KV_HEADS, MLP = 8, 2, 1, 12

SPM = [("<unk>", 2), ("<s>", 3), ("</s>", 3)] + [(f"<0x{i:02X}>", 6) for i in range(0, 256, 32)]
SPM += [(piece, 1) for piece in ("\u2581", "\u2581H", "e", "l", "o", "lo", "\u2581w", "r", "d", "1", "2")]
BPE = ["<s>", "</s>", "H", "e", "l", "o", "\u0120", "w", "r", "d", "He", "ll", "Hell", "Hello", "1", "2", "3"]
MERGES = ["H e", "l l", "He ll", "Hell o"]


def tensor_shapes(vocab):
    head = HIDDEN // HEADS
    yield "token_embd.weight", (vocab, HIDDEN)
    yield "output_norm.weight", (HIDDEN,)
    for name, shape in {"attn_norm": (HIDDEN,), "ffn_norm": (HIDDEN,), "attn_q": (HIDDEN, HIDDEN),
                        "attn_k": (KV_HEADS * head, HIDDEN), "attn_v": (KV_HEADS * head, HIDDEN),
                        "attn_output": (HIDDEN, HIDDEN), "ffn_gate": (MLP, HIDDEN), "ffn_up": (MLP, HIDDEN),
                        "ffn_down": (HIDDEN, MLP)}.items():
        yield f"blk.0.{name}.weight", shape


def write_gguf(path, architecture, tokenizer):
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(1)
    writer.add_context_length(32)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(MLP)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_rope_dimension_count(HIDDEN // HEADS)
    vocab = tokenizer(writer)
    writer.add_vocab_size(vocab)
    for name, shape in tensor_shapes(vocab):
        writer.add_tensor(name, numpy.full(shape, 0.25, numpy.float16 if len(shape) == 2 else numpy.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def sentencepiece_vocabulary(writer):
    writer.add_tokenizer_model("llama")
    writer.add_token_list([piece for piece, _ in SPM])
    writer.add_token_scores([-float(i) for i in range(len(SPM))])
    writer.add_token_types([kind for _, kind in SPM])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_add_bos_token(True)
    writer.add_chat_template("{% for m in messages %}{{ m.content }}{% endfor %}")
    return len(SPM)


def byte_level_vocabulary(writer):
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("llama-bpe")
    writer.add_token_list(BPE)
    writer.add_token_types([3, 3] + [1] * (len(BPE) - 2))
    writer.add_token_merges(MERGES)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    return len(BPE)


def table_of_replacements():
    """What the SentencePiece library compiles of a few rules: letters of one, two and four bytes, one that goes."""
    rules = {"\u00f6": "o", "\uff21": "A", "\u00bd": "1/2", "\u00ad": "", "A\u030a": "\u00c5", "\U0001f600": ":)"}
    with tempfile.NamedTemporaryFile("w", suffix=".tsv") as file:
        for before, after in rules.items():
            file.write("\t".join(" ".join(f"{ord(c):X}" for c in text) for text in (before, after)) + "\n")
        file.flush()
        model = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["hello world 123"] * 20), model_writer=model, vocab_size=18, model_type="bpe",
            normalization_rule_tsv=file.name, minloglevel=2)
    trained = sentencepiece_model_pb2.ModelProto.FromString(model.getvalue())
    return trained.normalizer_spec.precompiled_charsmap


def write_models_with_replacements():
    table = table_of_replacements()
    model = sentencepiece_model_pb2.ModelProto()
    for piece, kind in SPM:
        model.pieces.add(piece=piece, score=-1.0, type=kind)
    model.trainer_spec.model_type = sentencepiece_model_pb2.TrainerSpec.BPE
    model.trainer_spec.byte_fallback = False
    model.normalizer_spec.precompiled_charsmap = table
    (SEEDS / "sentencepiece" / "replacements.model").write_bytes(model.SerializeToString(deterministic=True))
    vocabulary = [[piece, -float(i)] for i, (piece, _) in enumerate(SPM)]
    normalizer = {"type": "Precompiled", "precompiled_charsmap": base64.b64encode(table).decode()}
    (SEEDS / "tokenizer_json" / "replacements.json").write_text(json.dumps(
        {"added_tokens": [], "normalizer": normalizer, "pre_tokenizer": {"type": "Metaspace"},
         "model": {"type": "Unigram", "unk_id": 0, "vocab": vocabulary}}))


def main():
    for folder in ("gguf", "sentencepiece", "tokenizer_json"):
        (SEEDS / folder).mkdir(exist_ok=True)
    write_gguf(SEEDS / "gguf" / "sentencepiece.gguf", "llama", sentencepiece_vocabulary)
    write_gguf(SEEDS / "gguf" / "byte-level.gguf", "qwen2", byte_level_vocabulary)
    write_models_with_replacements()


if __name__ == "__main__":
    main()
