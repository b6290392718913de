#!/usr/bin/env bash
# Python's transformers loads the checkpoints we write and computes what we compute.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
for version in reference reference4; do
  [ -e ".env/$version/.ready" ] || { echo "the reference environment is missing: ./run setup --reference"; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false TRANSFORMERS_VERBOSITY=error

# By the newest transformers and by the last 4.x.
read_back() {
  for version in reference reference4; do
    ".env/$version/bin/python" tests/readers/read_back.py --mop ./mop --dense "$1" --pruned "$2" --text "$3"
  done
}

head -n 24 assets/text/generated-evaluation.txt >"$work/text.txt"
./mop prune assets/tinystories-12l --out "$work/story" --iterations 4 --select path:LGG --samples 16 \
  --calibration assets/text/generated-calibration.txt
read_back assets/tinystories-12l "$work/story" "$work/text.txt"

# The same with layers that differ.
./mop prune assets/tinystories-12l --out "$work/layers" --iterations 3 --select path:LGG --samples 16 \
  --allocation global --calibration assets/text/generated-calibration.txt
read_back assets/tinystories-12l "$work/layers" "$work/text.txt"

# And with halves that are gone.
./mop prune assets/tinystories-12l --out "$work/halves" --iterations 4 --select path:AMGL --samples 16 \
  --set 'branches=[attention, mlp, width, depth]' --calibration assets/text/generated-calibration.txt
read_back assets/tinystories-12l "$work/halves" "$work/text.txt"

data="${MOP_TEST_DATA:-../shared/data}"
if [ -d "$data/models/stories260k" ]; then
  head -n 24 "$data/text/tinystories-v2-valid.txt" >"$work/v2.txt"
  ./mop prune "$data/models/stories260k" --out "$work/tied" --iterations 2 --select path:LG --samples 16 \
    --calibration "$data/text/tinystories-v2-valid.txt"
  read_back "$data/models/stories260k" "$work/tied" "$work/v2.txt"
else
  echo "stories260k is not checked: no test data at $data"
fi
