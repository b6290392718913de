#!/usr/bin/env bash
# A real language model from its quantised GGUF: the folder made of it holds the file's weights and llama.cpp's ids;
# transformers computes our logits and our greedy text, of the dense model and after 20% went by a random path and by a
# released one.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
for version in reference reference4; do
  [ -e ".env/$version/.ready" ] || { echo "the reference environment is missing: ./run setup --reference"; exit 1; }
done
model=$(tools/real_model.sh)
file="$model-q4_1.gguf"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false TRANSFORMERS_VERBOSITY=error

./mop inspect "$file" | grep -q "tensors .*210 q4_1, 61 f32, 1 q8_0" || { ./mop inspect "$file"; exit 1; }
.env/reference/bin/python tests/readers/real_model.py --gguf "$file" --folder "$model" --work "$work"
./mop check "$file" --with llama.cpp --python .env/reference/bin/python

prune() { ./mop prune "$model" --calibration assets/text/generated-calibration.txt --samples 16 "$@"; }
prune --out "$work/random" --select random --seed 1 --remove 0.2 --of blocks
prune --out "$work/released" --select path:LGGLLLGGLLGLGLLGGL --iterations 6 --budget released --rule mlp-only
for folder in "$model" "$work/random" "$work/released"; do
  for version in reference reference4; do
    ./mop check "$folder" --with transformers --python ".env/$version/bin/python" \
      --prompt "The capital of France is" --max-new-tokens 32
  done
done
