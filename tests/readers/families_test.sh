#!/usr/bin/env bash
# Pruned models of every family, written by export/: transformers 5 and 4 load them and compute our logits.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
writer="${MOP_BUILD:-build}/tests/write_models"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 OMP_NUM_THREADS=2

models=(assets/tinystories-12l)
data="${MOP_TEST_DATA:-../shared/data}"
if [ -d "$data/models/stories260k" ]; then
  models+=("$data/models/stories260k")
else
  echo "stories260k is not checked: no test data at $data"
fi
"$writer" "$work" "${models[@]}"
for version in reference reference4; do
  [ -e ".env/$version/.ready" ] || { echo "the reference environment is missing: ./run setup --reference"; exit 1; }
  ".env/$version/bin/python" tests/readers/transformers_reader.py "${models[@]/#/--source=}" "$work"/*
done
