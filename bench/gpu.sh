#!/usr/bin/env bash
# bench/gpu.sh [OUT] [--rehearse] [--again] -- every check and figure that needs an NVIDIA GPU, for a machine that one has
# for a quarter of an hour. Nothing is compiled there: tools/prepare_device.sh made .device/ before. The machine brings a
# python3 with a CUDA build of torch (the version .device was made for), transformers and peft, and no registry.
#
#   OUT/results.jsonl   a line a step: figures, checks, how it ended; appended to, keyed by step, commit and card
#   OUT/report.md       the same as tables, beside the goals
#   OUT/logs.tar.gz     what every command said
#
# A step that ended well for this commit and card (in OUT/results.jsonl or .device/results.jsonl) is skipped, unless
# --again is given. MOP_GPU_STEPS="smoke kernels" chooses steps, `bench/gpu.sh --list` names them; MOP_GPU_SECONDS is the
# time in all (540). --rehearse does the same on the CPU with small models, so that no second with a GPU is lost to a
# slip. MOP_GPU_WORK is the folder for checkpoints (/dev/shm or /tmp), MOP_GPU_OUTPUT the one for what runs write (/tmp).
# Exit 1 when a step failed.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
PROGRAMS=$ROOT/.device/programs

unpack() {
  local archive=$ROOT/.device/programs.tar.xz
  [ -f "$archive" ] || { echo "error: no .device/programs.tar.xz: run tools/prepare_device.sh" >&2; exit 1; }
  [ "$PROGRAMS/.unpacked" -nt "$archive" ] && return
  rm -rf "$PROGRAMS"
  mkdir -p "$PROGRAMS"
  python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1], "r:xz").extractall(sys.argv[2])' "$archive" "$PROGRAMS"
  touch "$PROGRAMS/.unpacked"
}

[ -n "${MOP_GPU_PROGRAMS:-}" ] || [[ " $* " == *" --list "* ]] || unpack
export MOP_GPU_PROGRAMS=${MOP_GPU_PROGRAMS:-$PROGRAMS/bin}
exec python3 bench/gpu_run.py "$@"
