#!/usr/bin/env bash
# llama.cpp loads the GGUF files we write, of every family and of the real models, dense and pruned, and computes what we
# compute: logits, ids, greedy text, perplexity.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ -e .env/reference/.ready ] || { echo "the reference environment is missing: ./run setup --reference"; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export OMP_NUM_THREADS=2

"${MOP_BUILD:-build}/tests/write_models" "$work/models"
head -c 20000 assets/text/generated-evaluation.txt >"$work/text.txt"
./mop prune assets/tinystories-12l --out "$work/pruned" --iterations 4 --select path:LGG --samples 16 \
  --calibration assets/text/generated-calibration.txt >/dev/null
whole=(--whole "assets/tinystories-12l=$work/text.txt" --whole "$work/pruned=$work/text.txt")
data="${MOP_TEST_DATA:-../shared/data}"
if [ -d "$data/models/stories260k" ]; then
  head -c 20000 "$data/text/tinystories-v2-valid.txt" >"$work/v2.txt"
  whole+=(--whole "$data/models/stories260k=$work/v2.txt")
else
  echo "stories260k is not checked: no test data at $data"
fi
.env/reference/bin/python tests/readers/gguf_reader.py --work "$work" "${whole[@]}" "$work"/models/*
