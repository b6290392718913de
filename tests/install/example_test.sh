#!/usr/bin/env bash
# Installs the package, builds the out-of-tree criterion against it, and uses it from the command line.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cmake --install "$MOP_BUILD" --prefix "$work/installed" >"$work/log" || { cat "$work/log"; exit 1; }
cmake -S examples/my_criterion -B "$work/build" -G Ninja -DCMAKE_PREFIX_PATH="$work/installed" >"$work/log" ||
  { cat "$work/log"; exit 1; }
ninja -C "$work/build"

"$work/installed/bin/mop" --version
if "$work/installed/bin/mop" list criteria | grep -q my-neurons; then
  echo "the plain program must not know the criterion"
  exit 1
fi
"$work/build/my_mop" list criteria | grep my-neurons
"$work/build/my_mop" list criteria my-neurons | grep "my-neurons.reach_power  number, default 1.0; at least 0"
grep '^.TH MOP 1' "$work/installed/share/man/man1/mop.1"
grep '^complete .* mop$' "$work/installed/share/bash-completion/completions/mop"
"$work/build/my_mop" score assets/tinystories-12l --criterion my-neurons --samples 8 \
  --calibration assets/text/generated-calibration.txt --out "$work/scores.safetensors"
# 12 layers of 512 neurons, in float32 or float64.
size=$(stat -c %s "$work/scores.safetensors")
[ "$size" -gt $((12 * 512 * 4)) ] || { echo "scores.safetensors has only $size bytes"; exit 1; }
grep -aq '"my-neurons.11"' "$work/scores.safetensors" || { echo "no scores of the last layer"; exit 1; }
