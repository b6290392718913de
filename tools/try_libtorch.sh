#!/usr/bin/env bash
# tools/try_libtorch.sh VERSION: does MoP build and compute the same with another LibTorch? Fetches PyPI's torch of that
# version (a CUDA build) and the two small NVIDIA libraries its libtorch_cpu loads, builds the program and its tests in
# build-libtorch-VERSION, runs the golden and model tests, prunes the embedded model, and asks for a GPU that cannot be
# used. About 15 minutes on two cores and 4 GB; `./run clean` and `rm -r .env/libtorch-VERSION` give them back.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
. tools/setup/setup.sh
[ $# = 1 ] || fail "usage: tools/try_libtorch.sh VERSION, for example 2.7.1"
readonly BUILD="$ROOT/build-libtorch-$1"

prune_and_ask_for_a_gpu() {
  local work
  work=$(mktemp -d)
  trap 'rm -rf "$work"' RETURN
  "$BUILD/src/mop" --version
  "$BUILD/src/mop" prune assets/tinystories-12l --out "$work/out" --iterations 2 --select path:LG --samples 8 \
    --calibration assets/text/generated-calibration.txt
  "$BUILD/src/mop" inspect "$work/out" --json | grep -q '"parameters"'
  [ ! -e /dev/nvidia0 ] || return 0
  ! "$BUILD/src/mop" generate "$work/out" --prompt once --device cuda 2>"$work/error" || fail "--device cuda found a GPU"
  cat "$work/error" >&2
  [ "$(grep -c '^error: ' "$work/error")" = 1 ] || fail "--device cuda did not end in one error"
}

[ -x "$ENV_DIR/reference/bin/python" ] || ./run setup
fetch_libtorch "$1"
export MOP_LIBTORCH="$ENV_DIR/libtorch-$1/torch" MOP_BUILD="$BUILD"
./run build
ninja -C "$BUILD" test_golden test_model test_tensor >&2
for program in model tensor golden; do "$BUILD/tests/test_$program" --gtest_brief=1; done
prune_and_ask_for_a_gpu
say "works with LibTorch $1"
