#!/usr/bin/env python3
"""What pruning leaves of a quantised model: sizes of Q4_K_M files and their speed in llama.cpp, dense and with 20% and 40%
of the layers' parameters removed, MLP widths in the default multiples and in multiples of 1. Markdown on stdout:

    .env/reference/bin/python bench/quantised.py [--model FOLDER] [--text FILE] > bench/runs/DATE-quantised.md

Weights are quantised by llama.cpp's own routine (ggml_quantize_chunk), each tensor to the type that its llama-quantize
gives it for Q4_K_M: rows of no multiple of 256 fall back to Q5_0 or Q8_0, of no multiple of 32 to float16. Speeds are
medians of requests in turn; only their ratios mean something."""

import argparse
import ctypes
import json
import os
import pathlib
import platform
import re
import subprocess
import sys
import tempfile

import gguf
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
MOP = pathlib.Path(os.environ.get("MOP_BUILD", ROOT / "build")) / "src" / "mop"
Type = gguf.GGMLQuantizationType
FALLBACK = {Type.Q4_K: Type.Q5_0, Type.Q6_K: Type.Q8_0}


def run(*command):
    ran = subprocess.run([str(part) for part in command], capture_output=True, text=True)
    if ran.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{ran.stderr}")
    return ran.stdout


def quantise_library():
    import xllamacpp
    library = ctypes.CDLL(next(str(f) for f in pathlib.Path(xllamacpp.__file__).parent.iterdir() if f.suffix == ".so"))
    library.ggml_quantize_chunk.restype = ctypes.c_size_t
    library.ggml_quantize_chunk.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64,
                                            ctypes.c_int64, ctypes.c_void_p]
    return library


def more_bits(layer, layers):
    return layer < layers // 8 or layer >= 7 * layers // 8 or (layer - layers // 8) % 3 == 2


def type_of(name, row, layers, tied):
    """llama.cpp's llama_tensor_get_type for Q4_K_M."""
    wanted = Type.Q4_K
    if name == "output.weight" or (tied and name == "token_embd.weight"):
        wanted = Type.Q6_K
    layer = re.match(r"blk\.(\d+)\.(attn_v|ffn_down)\.weight", name)
    if layer and more_bits(int(layer[1]), layers):
        wanted = Type.Q6_K
    if row % 256 != 0:
        wanted = FALLBACK[wanted]
    return Type.F16 if row % 32 != 0 else wanted


def quantise(library, source, target):
    """Types of the tensors by name."""
    reader = gguf.GGUFReader(source)
    architecture = reader.fields["general.architecture"].contents()
    writer = gguf.GGUFWriter(target, architecture)
    for name, field in reader.fields.items():
        if name.startswith("GGUF.") or name == "general.architecture":
            continue
        sub = field.types[-1] if field.types[0] == gguf.GGUFValueType.ARRAY else None
        value = int(gguf.LlamaFileType.MOSTLY_Q4_K_M) if name == "general.file_type" else field.contents()
        writer.add_key_value(name, value, field.types[0], sub_type=sub)
    layers = int(reader.fields[f"{architecture}.block_count"].contents())
    tied = all(t.name != "output.weight" for t in reader.tensors)
    types = {}
    for tensor in reader.tensors:
        values = gguf.dequantize(tensor.data, tensor.tensor_type).astype(np.float32)
        if values.ndim == 1:
            writer.add_tensor(tensor.name, values)
            continue
        rows, row = values.shape
        kind = types[tensor.name] = type_of(tensor.name, row, layers, tied)
        if kind == Type.F16:
            writer.add_tensor(tensor.name, values.astype(np.float16))
            continue
        block, size = gguf.GGML_QUANT_SIZES[kind]
        out = np.empty((rows, row // block * size), dtype=np.uint8)
        values = np.ascontiguousarray(values)
        library.ggml_quantize_chunk(int(kind), values.ctypes.data, out.ctypes.data, 0, rows, row, None)
        writer.add_tensor(tensor.name, out, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return types


def variants(model, text, samples, work):
    """(name, folder)"""
    yield "dense", model
    for removed in (0.2, 0.4):
        for multiple in ("default", "1"):
            out = work / f"{removed}-{multiple}"
            chosen = [] if multiple == "default" else ["--shape-multiple", multiple]
            run(MOP, "prune", model, "--out", out, "--calibration", text, "--samples", samples, "--max-tokens", 128,
                "--remove", removed, "--of", "blocks", "--select", "path:GL", *chosen)
            yield f"{removed:.0%} removed, {'default widths' if multiple == 'default' else 'multiples of 1'}", out


def measure(name, folder, library, work, args):
    plain, small = work / "f16.gguf", work / "q4.gguf"
    for file in (plain, small):
        file.unlink(missing_ok=True)
    run(MOP, "export", folder, "--format", "gguf", "--dtype", "f16", "--out", plain)
    types = quantise(library, plain, small)
    told = json.loads(run(sys.executable, ROOT / "bench" / "llama_cpp_latency.py", small, "--prompt", args.prompt, "--generate",
                          args.generate, "--repeat", args.repeat))
    down = sorted({t.name for n, t in types.items() if ".ffn_down." in n})
    mlp = json.loads(run(MOP, "inspect", folder, "--json"))["layers"][0]["mlp"]
    return {"name": name, "mlp": mlp, "down": ", ".join(down), "f16": plain.stat().st_size, "q4": small.stat().st_size,
            "first": told["first_token_seconds"]["median"], "token": told["token_seconds"]["median"]}


def table(title, rows):
    dense = rows[0]
    lines = [f"## {title}\n", "| model | MLP | down_proj | f16 MiB | Q4_K_M MiB | of dense | prompt, of dense | token, of dense |",
             "|" + "---|" * 8]
    for row in rows:
        lines.append(f"| {row['name']} | {row['mlp']} | {row['down']} | {row['f16'] / 2**20:.1f} | {row['q4'] / 2**20:.1f} | "
                     f"{row['q4'] / dense['q4']:.2f} | {row['first'] / dense['first']:.2f} | {row['token'] / dense['token']:.2f} |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", type=pathlib.Path, default=[], help="another folder, say SmolLM2-135M")
    parser.add_argument("--text", type=pathlib.Path, default=ROOT / "assets" / "text" / "generated-calibration.txt")
    parser.add_argument("--samples", type=int, default=16)
    parser.add_argument("--prompt", type=int, default=128)
    parser.add_argument("--generate", type=int, default=32)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    library = quantise_library()
    print(f"# Quantised after pruning\n\n{run(MOP, '--version').splitlines()[0]}; {platform.processor() or platform.machine()}, "
          f"{os.cpu_count()} threads. Command: `bench/quantised.py`. Prompt of {args.prompt} tokens, {args.generate} new ones; "
          "times as parts of the dense model's.\n")
    for model in [ROOT / "assets" / "tinystories-12l", *args.model]:
        with tempfile.TemporaryDirectory() as scratch:
            work = pathlib.Path(scratch)
            rows = [measure(name, folder, library, work, args)
                    for name, folder in variants(model.resolve(), args.text, args.samples, work)]
            print(table(model.resolve().name, rows), flush=True)


if __name__ == "__main__":
    main()
