#!/usr/bin/env bash
# GGUF files that others wrote are read as llama.cpp reads them or refused by name; byte-level BPE tokenizers that mop
# writes into a file give llama.cpp our ids.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
build="${MOP_BUILD:-build}"
[ -e .env/reference/.ready ] || { echo "the reference environment is missing: ./run setup --reference"; exit 1; }
[ -e "$build/python/mop" ] || { echo "skipped: the Python package is not built"; exit 0; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=1
tokenizers=(tests/golden/tokenizers/{llama3-style,qwen2-style})
data="${MOP_TEST_DATA:-../shared/data}/tokenizers"
if [ -d "$data" ]; then
  tokenizers+=("$data/gpt2" "$data/llama3-tiktoken.model")
else
  echo "GPT-2's and Llama 3's own tokenizers are not checked: no test data at $data"
fi
PYTHONPATH="$build/python" .env/reference/bin/python tests/readers/gguf_foreign.py --work "$work" "${tokenizers[@]}"
