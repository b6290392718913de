#!/usr/bin/env bash
# gpu_rehearse_test.sh STEPS: bench/gpu.sh rehearses steps with the program of this build, ends well, and does not do again
# what is done.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export MOP_GPU_STEPS=$1 MOP_GPU_PROGRAMS=$MOP_BUILD/src MOP_GPU_WORK=$work/models MOP_GPU_OUTPUT=$work/output MOP_GPU_PYTHON=python3

bench/gpu.sh "$work/out" --rehearse >"$work/report" || { cat "$work/report"; exit 1; }
for file in results.jsonl report.md logs.tar.gz; do
  [ -s "$work/out/$file" ] || { echo "no $file was written"; exit 1; }
done
for step in $1; do
  grep -q "^| $step | ok |" "$work/out/report.md" || { echo "the report lacks the step $step"; cat "$work/out/report.md"; exit 1; }
done
before=$(wc -l <"$work/out/results.jsonl")
bench/gpu.sh "$work/out" --rehearse >/dev/null 2>"$work/again"
[ "$(wc -l <"$work/out/results.jsonl")" = "$before" ] || { echo "what was done was done again"; exit 1; }
[ "$(grep -c 'done before' "$work/again")" = "$before" ] || { cat "$work/again"; exit 1; }
