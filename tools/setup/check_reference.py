"""Runs a tiny random LLaMA through the reference environment: proves that it works at all."""

import torch
import transformers

config = transformers.LlamaConfig(
    hidden_size=16, intermediate_size=32, num_hidden_layers=1, num_attention_heads=2, vocab_size=32)
model = transformers.LlamaForCausalLM(config).eval()
logits = model(torch.arange(4)[None]).logits
assert logits.shape == (1, 4, 32) and logits.isfinite().all()
print(f"reference: torch {torch.__version__}, transformers {transformers.__version__}")
