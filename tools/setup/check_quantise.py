"""Imports what quantises: proves that the list of packages is whole."""

import bitsandbytes
import cyllama.llama.llama_cpp as llama_cpp
import torch
import torchao
import transformers  # noqa: F401

assert llama_cpp.model_quantize
print(f"torchao {torchao.__version__}, bitsandbytes {bitsandbytes.__version__}, torch {torch.__version__}")
