#!/usr/bin/env bash
# vLLM loads what we wrote and computes what we compute: equal layers by its own class, layers that differ by our code, and
# an adapter served beside the model that it was trained on.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
if [ ! -e .env/vllm/.ready ]; then
  echo "skipped: vLLM is not installed (./run setup --vllm)"
  exit 0
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export MOP_PYTHON=$PWD/.env/vllm/bin/python
model=assets/tinystories-12l text=assets/text/generated-calibration.txt

./mop prune "$model" --out "$work/uniform" --calibration "$text" --samples 16 --remove 0.4 --of blocks --select path:LGG
./mop prune "$model" --out "$work/layers" --calibration "$text" --samples 16 --iterations 3 --select path:LGG --allocation global
./mop recover "$work/uniform" --out "$work/lora" --data "$text" --tokens 2000 --max-tokens 128

# A reader that is not there is no failure of `check`: ask for the word.
loads() {
  ./mop check "$@" --with vllm | tee "$work/table"
  grep -Eq '^vllm .* loads .* equal' "$work/table" || { echo "vLLM did not load: mop check $*"; exit 1; }
}
loads "$work/uniform"
loads "$work/layers"
loads "$work/uniform" --adapter "$work/lora/adapter"
