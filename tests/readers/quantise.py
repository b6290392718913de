"""Quantises what mop wrote by the tools that people use, in the environment of ./run setup --quantise. A line of JSON:

    quantise.py llama.cpp MODEL.gguf OUT.gguf Q4_K_M    {tensor: [type, row]} or {error}, by llama.cpp's own llama_model_quantize
    quantise.py int4|nf4 FOLDER                         {status, detail, difference, row}, of down_proj

`status` is `quantised`, `left` (the weights stay as they were) or `fails`. int4 is torchao's in groups of 32, computed on a
CPU (its packed int4 formats are for GPUs); nf4 is bitsandbytes'. `difference` is that of the logits, relative.
"""

import json
import os
import sys

# bitsandbytes and torchao talk on both streams.
told = os.dup(1)
os.dup2(2, 1)


def llama_cpp(source, target, name):
    import gguf
    from cyllama.llama.llama_cpp import LlamaModelQuantizeParams, model_quantize

    params = LlamaModelQuantizeParams()
    params.ftype = int(gguf.LlamaFileType[f"MOSTLY_{name}"])
    params.nthread = 1
    try:
        model_quantize(source, target, params)
    except RuntimeError as error:  # it refuses the file
        return {"error": str(error)}
    return {t.name: [t.tensor_type.name, int(t.shape[0])] for t in gguf.GGUFReader(target).tensors if len(t.shape) > 1}


def load(folder, **options):
    import transformers

    transformers.utils.logging.disable_progress_bar()
    return transformers.AutoModelForCausalLM.from_pretrained(folder, trust_remote_code=False, **options).eval()


def quantised_int4(folder):
    import torch
    from torchao.quantization import IntxWeightOnlyConfig, quantize_
    from torchao.quantization.granularity import PerGroup

    model = load(folder, dtype=torch.float32)
    quantize_(model, IntxWeightOnlyConfig(weight_dtype=torch.int4, granularity=PerGroup(32)))
    return model


def quantised_nf4(folder):
    import torch
    import transformers

    config = transformers.BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.float32)
    return load(folder, dtype=torch.float32, device_map="cpu", quantization_config=config)


def torch_says(make, folder):
    import torch

    ids = torch.arange(3, 27)[None]
    with torch.no_grad():
        exact = load(folder, dtype=torch.float32)(ids).logits
        try:
            model = make(folder)
            logits = model(ids).logits
        except Exception as error:  # whatever it does is the answer
            return {"status": "fails", "detail": f"{type(error).__name__}: {error}"}
    down = model.model.layers[0].mlp.down_proj
    plain = type(down) is torch.nn.Linear and type(down.weight) is torch.nn.Parameter
    return {"status": "left" if plain else "quantised", "detail": type(down.weight).__name__, "row": down.in_features,
            "difference": ((logits - exact).abs().max() / exact.abs().max()).item()}


MAKERS = {"int4": quantised_int4, "nf4": quantised_nf4}


def main():
    what, *rest = sys.argv[1:]
    answer = llama_cpp(*rest) if what == "llama.cpp" else torch_says(MAKERS[what], *rest)
    os.write(told, (json.dumps(answer) + "\n").encode())


if __name__ == "__main__":
    main()
