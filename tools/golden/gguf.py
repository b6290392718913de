"""tests/golden/gguf/q8_0.safetensors: values and the q8_0 blocks that llama.cpp's own quantiser makes of them."""

import ctypes
import importlib.util
import pathlib

import numpy as np
import safetensors.numpy

OUT = pathlib.Path(__file__).resolve().parents[2] / "tests" / "golden" / "gguf"
Q8_0 = 8


def values():
    """Ordinary weights, large and tiny ones, halves that must round away from zero, zeros."""
    random = np.random.default_rng(5)
    rows = [random.normal(0, scale, 256) for scale in (1, 0.02, 1e-4, 300, 1e-7)]
    rows.append(np.round(random.uniform(-127, 127, 256)) + 0.5)
    rows[-1][::32] = 127
    rows.append(np.zeros(256))
    rows.append(random.normal(0, 1, 256).astype(np.float16))
    return np.stack(rows).astype(np.float32)


def main():
    folder = pathlib.Path(importlib.util.find_spec("xllamacpp").origin).parent
    lib = ctypes.CDLL(str(next(folder.glob("xllamacpp*.so"))))
    lib.ggml_quantize_chunk.restype = ctypes.c_size_t
    lib.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64,
                                        ctypes.c_int64, ctypes.c_void_p]
    source = values()
    blocks = np.zeros((source.shape[0], source.shape[1] // 32 * 34), np.uint8)
    size = lib.ggml_quantize_chunk(Q8_0, source.ctypes.data, blocks.ctypes.data, 0, *source.shape, None)
    assert size == blocks.nbytes, size
    OUT.mkdir(parents=True, exist_ok=True)
    safetensors.numpy.save_file({"values": source, "blocks": blocks}, OUT / "q8_0.safetensors", {"format": "pt"})


if __name__ == "__main__":
    main()
