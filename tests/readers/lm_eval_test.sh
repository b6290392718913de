#!/usr/bin/env bash
# lm_eval drives a checkpoint that we wrote, reads the results that we wrote, and finds what we find.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
./mop prune assets/tinystories-12l --out "$work/story" --iterations 3 --select path:LGG --samples 16 \
  --calibration assets/text/generated-calibration.txt
head -n 60 assets/text/generated-evaluation.txt >"$work/text.txt"
python3 tools/equality.py "$work/story" --vs assets/tinystories-12l --text "$work/text.txt" \
  --mop "${MOP_BUILD:-build}/src/mop"
