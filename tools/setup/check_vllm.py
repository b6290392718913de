"""Imports what a run of vLLM needs: proves that the list of packages is whole."""

import torch
import vllm.entrypoints.llm  # noqa: F401

print(f"vllm {vllm.__version__}, torch {torch.__version__}")
