"""tests/golden/gguf/: q8_0.safetensors, values and the q8_0 blocks that llama.cpp's own quantiser makes of them;
blocks.safetensors, random blocks of every format that mop reads and the values that the package `gguf` makes of them;
quantized.gguf, a model whose matrices have these formats, with its logits by transformers in quantized.safetensors.
"""

import ctypes
import importlib.util
import pathlib

import gguf
import numpy as np
import safetensors.numpy
import torch
import transformers

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "gguf"
TYPES = gguf.GGMLQuantizationType
# Where a block has half-precision scales: random bytes there must not be infinities or NaNs.
HALVES = {"Q4_0": [0], "Q4_1": [0, 2], "Q5_0": [0], "Q5_1": [0, 2], "Q8_0": [0], "Q2_K": [80, 82], "Q3_K": [108],
          "Q4_K": [0, 2], "Q5_K": [0, 2], "Q6_K": [208], "IQ4_NL": [0], "IQ4_XS": [0], "MXFP4": []}
HIDDEN, HEADS, KV, DIM, MLP, VOCAB = 256, 2, 1, 16, 32, 16
MODEL = {"token_embd": ("Q6_K", VOCAB, HIDDEN), "output": ("Q3_K", VOCAB, HIDDEN),
         "blk.0.attn_q": ("Q4_K", HEADS * DIM, HIDDEN), "blk.0.attn_k": ("IQ4_XS", KV * DIM, HIDDEN),
         "blk.0.attn_v": ("Q5_K", KV * DIM, HIDDEN), "blk.0.attn_output": ("Q4_1", HIDDEN, HEADS * DIM),
         "blk.0.ffn_gate": ("Q2_K", MLP, HIDDEN), "blk.0.ffn_up": ("IQ4_NL", MLP, HIDDEN),
         "blk.0.ffn_down": ("Q5_0", HIDDEN, MLP)}
IDS = [1, 5, 9, 2, 2, 14, 0, 7, 11, 3]


def values():
    """Ordinary weights, large and tiny ones, halves that must round away from zero, zeros."""
    random = np.random.default_rng(5)
    rows = [random.normal(0, scale, 256) for scale in (1, 0.02, 1e-4, 300, 1e-7)]
    rows.append(np.round(random.uniform(-127, 127, 256)) + 0.5)
    rows[-1][::32] = 127
    rows.append(np.zeros(256))
    rows.append(random.normal(0, 1, 256).astype(np.float16))
    return np.stack(rows).astype(np.float32)


def quantizer():
    folder = pathlib.Path(importlib.util.find_spec("xllamacpp").origin).parent
    lib = ctypes.CDLL(str(next(folder.glob("xllamacpp*.so"))))
    lib.ggml_quantize_chunk.restype = ctypes.c_size_t
    lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64,
                                        ctypes.c_int64, ctypes.c_void_p]
    return lib


def quantize(lib, source, kind):
    """Rows of float32 -> the bytes of llama.cpp's blocks, [rows, bytes]."""
    size, width = gguf.GGML_QUANT_SIZES[kind]
    blocks = np.zeros((source.shape[0], source.shape[1] // size * width), np.uint8)
    written = lib.ggml_quantize_chunk(int(kind), source.ctypes.data, blocks.ctypes.data, 0, *source.shape, None)
    assert written == blocks.nbytes, written
    return blocks


def random_blocks(name, random):
    """All bytes random: [blocks, bytes], about 1,500 values."""
    size, width = gguf.GGML_QUANT_SIZES[TYPES[name]]
    blocks = random.integers(0, 256, (max(6, 1024 // size), width), np.uint8)
    for at in HALVES[name]:
        exponent_is_full = (blocks[:, at + 1] & 0x7C) == 0x7C
        blocks[exponent_is_full, at + 1] &= 0xBF
    if name == "MXFP4":  # every third scale an ordinary one, the first two the subnormal ones
        blocks[::3, 0] = 120
        blocks[:2, 0] = [0, 1]
        blocks[:, 0] = np.minimum(blocks[:, 0], 250)
    return blocks


def write_blocks():
    random = np.random.default_rng(11)
    tensors = {}
    for name in HALVES:
        blocks = random_blocks(name, random)
        tensors[f"{name.lower()}.blocks"] = blocks
        tensors[f"{name.lower()}.values"] = gguf.quants.dequantize(blocks, TYPES[name])
        assert np.isfinite(tensors[f"{name.lower()}.values"]).all(), name
    safetensors.numpy.save_file(tensors, OUT / "blocks.safetensors", {"format": "pt"})


def write_model(lib):
    random = np.random.default_rng(3)
    path = OUT / "quantized.gguf"
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_block_count(1)
    writer.add_context_length(64)
    writer.add_embedding_length(HIDDEN)
    writer.add_feed_forward_length(MLP)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV)
    writer.add_key_length(DIM)
    writer.add_value_length(DIM)
    writer.add_rope_dimension_count(DIM)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(VOCAB)
    writer.add_tokenizer_model("none")
    for name, (kind, *shape) in MODEL.items():
        source = random.normal(0, 0.2, shape).astype(np.float32)
        writer.add_tensor(name + ".weight", quantize(lib, source, TYPES[kind]), raw_dtype=TYPES[kind])
    for name in ("output_norm", "blk.0.attn_norm", "blk.0.ffn_norm"):
        writer.add_tensor(name + ".weight", (1 + random.normal(0, 0.2, HIDDEN)).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    model = transformers.AutoModelForCausalLM.from_pretrained(OUT, gguf_file=path.name, dtype=torch.float32)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:  # mop keeps quantised matrices in float16
                parameter.copy_(parameter.half().float())
        logits = model(torch.tensor([IDS])).logits[0].numpy()
    safetensors.numpy.save_file({"ids": np.array(IDS), "logits": logits}, OUT / "quantized.safetensors",
                                {"format": "pt"})


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    lib, source = quantizer(), values()
    safetensors.numpy.save_file({"values": source, "blocks": quantize(lib, source, TYPES.Q8_0)},
                                OUT / "q8_0.safetensors", {"format": "pt"})
    write_blocks()
    write_model(lib)


if __name__ == "__main__":
    main()
