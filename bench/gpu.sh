#!/usr/bin/env bash
# bench/gpu.sh [OUT] -- builds the project on a machine with an NVIDIA GPU and runs every check and benchmark that
# needs one. The machine brings a compiler, CMake, ninja and a python3 that holds a CUDA build of torch (2.7 or
# newer); the libraries come from .device/root (tools/prepare_device.sh), so no package registry is needed.
# Results: OUT/gpu.json (figures), OUT/checks.txt (one line a check), OUT/*.log. Exit 1 when a check failed.
#
#   MOP_GPU_STEPS="build checks passes run" chooses steps ("configure": the first half of build); MOP_GPU_SHAPES="llama-1.1b llama-7b" the models.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
OUT=$(realpath -m "${1:-runs/gpu}")
STEPS=${MOP_GPU_STEPS:-build checks passes run}
SHAPES=${MOP_GPU_SHAPES:-llama-1.1b llama-7b}
BUILD=${MOP_BUILD:-$ROOT/build-gpu}
WORK=${MOP_GPU_WORK:-/tmp/mop-gpu}
MODEL=assets/tinystories-12l
TEXT=assets/text/generated-evaluation.txt
CALIBRATION=assets/text/generated-calibration.txt
MOP=$BUILD/src/mop
FAILED=0
mkdir -p "$OUT" "$WORK"

say() { printf '== %s\n' "$*" >&2; }
wants() { [[ " $STEPS " == *" $1 "* ]]; }

use_unpacked_packages() {
  local root=$ROOT/.device/root lib=$ROOT/.device/root/usr/lib/x86_64-linux-gnu
  [ -d "$root" ] || return 0
  export PKG_CONFIG="$root/usr/bin/pkgconf" PKG_CONFIG_LIBDIR="$lib/pkgconfig" PKG_CONFIG_SYSROOT_DIR="$root"
  export PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
  export CPLUS_INCLUDE_PATH="$root/usr/include:$root/usr/include/x86_64-linux-gnu" LIBRARY_PATH="$lib"
  export LD_LIBRARY_PATH="$lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
  PREFIX=(-DCMAKE_PREFIX_PATH="$root/usr" -DOPENSSL_ROOT_DIR="$root/usr")
}

configure() {
  local torch=${MOP_LIBTORCH:-$(python3 -c 'import torch; print(torch.__path__[0])')}
  say "configuring for $torch"
  cmake -S . -B "$BUILD" -G Ninja -DMOP_LIBTORCH="$torch" -DMOP_BENCH=ON "${PREFIX[@]}" >"$OUT/cmake.log" 2>&1 ||
    { tail -30 "$OUT/cmake.log" >&2; exit 1; }
}

compile() {
  say "building"
  ninja -C "$BUILD" mop mop_bench_pass mop_random_checkpoint test_model test_stats test_eval >"$OUT/build.log" 2>&1 ||
    { grep -E 'error|FAILED' "$OUT/build.log" | head -30 >&2; exit 1; }
}

# check NAME COMMAND...: one line in checks.txt, whatever happens.
check() {
  local name=$1 verdict=ok
  shift
  "$@" >"$OUT/$name.log" 2>&1 || { verdict=FAILED; FAILED=1; }
  printf '%-6s %s: %s\n' "$verdict" "$name" "$(tail -2 "$OUT/$name.log" | tr '\n' ' ')" | tee -a "$OUT/checks.txt" >&2
}

# near A B TOLERANCE: relative difference.
near() {
  python3 -c 'import sys; a, b, t = map(float, sys.argv[1:]); d = abs(a - b) / abs(b)
print(f"{a} against {b}: {d:.2e}, allowed {t:.0e}"); sys.exit(d > t)' "$@"
}

perplexity_of() { "$MOP" eval "$MODEL" --text "$TEXT" --protocol lines --json "$@" | python3 -c 'import json, sys
print(json.load(sys.stdin)["perplexity"])'; }

same_perplexity() { near "$(perplexity_of --device cuda --dtype "$1")" "$(perplexity_of --device cpu --dtype float32)" "$2"; }

scores_to() { "$MOP" score "$MODEL" --criterion amp-heads,amp-neurons --calibration "$CALIBRATION" --dtype float32 "$@"; }

same_scores() {
  scores_to --device cpu --out "$WORK/cpu.safetensors"
  scores_to --device cuda --out "$WORK/cuda.safetensors"
  python3 - "$WORK/cuda.safetensors" "$WORK/cpu.safetensors" <<'PY'
import sys
from safetensors.torch import load_file
got, want = (load_file(path) for path in sys.argv[1:])
assert got.keys() == want.keys()
worst = max(((got[k] - want[k]).abs() / want[k].abs()).max().item() for k in want)
print(f"worst relative difference {worst:.2e}, allowed 1e-4")
sys.exit(worst > 1e-4)
PY
}

prune_to() {
  "$MOP" prune "$MODEL" --calibration "$CALIBRATION" --remove 0.4 --of blocks --select "$1" --dtype float32 \
    --device "$2" --out "$3" --force
}

same_plan() {
  prune_to "$1" cpu "$WORK/pruned-cpu" && prune_to "$1" cuda "$WORK/pruned-cuda"
  cmp "$WORK/pruned-cpu/run/plan.json" "$WORK/pruned-cuda/run/plan.json" && echo "plans are equal"
}

same_story() {
  local cpu cuda
  cpu=$("$MOP" generate "$MODEL" --prompt "once upon a time" --max-new-tokens 40 --dtype float32 --device cpu)
  cuda=$("$MOP" generate "$MODEL" --prompt "once upon a time" --max-new-tokens 40 --dtype float32 --device cuda)
  [ "$cpu" = "$cuda" ] && echo "greedy text is equal"
}

unit_tests() { "$BUILD/tests/test_$1" --gtest_brief=1; }

checks() {
  : >"$OUT/checks.txt"
  local module
  for module in model stats eval; do check "unit-$module" unit_tests "$module"; done
  check perplexity-float32 same_perplexity float32 1e-4
  check perplexity-bfloat16 same_perplexity bfloat16 1e-2
  check scores same_scores
  check plan-path same_plan path:LGGLLL
  check plan-kl same_plan kl
  check greedy same_story
}

checkpoint() {
  [ -f "$WORK/$1/config.json" ] || "$BUILD/tools/mop_random_checkpoint" "$1" "$WORK/$1" --tokenizer "$MODEL" >&2
}

passes() {
  local shape
  for shape in $SHAPES; do
    say "passes, $shape"
    checkpoint "$shape"
    "$BUILD/bench/mop_bench_pass" "$WORK/$shape" --device cuda --samples 128 --gemm-tokens 16384 >"$OUT/pass-$shape.json"
  done
}

whole_run() {
  local shape
  for shape in $SHAPES; do
    say "a whole run to 40% of the blocks, $shape"
    checkpoint "$shape"
    python3 bench/prune_large.py "$WORK/$shape" --mop "$MOP" --device cuda --remove 0.4 --select random \
      >"$OUT/run-$shape.json"
  done
}

collect() {
  python3 - "$OUT" <<'PY'
import json, pathlib, subprocess, sys
out = pathlib.Path(sys.argv[1])
query = ["nvidia-smi", "--query-gpu=name,driver_version", "--format=csv,noheader"]
report = {"gpu": subprocess.run(query, capture_output=True, text=True).stdout.strip()}
for path in sorted(out.glob("*.json")):
    if path.name != "gpu.json":
        report[path.stem] = json.loads(path.read_text())
checks = out / "checks.txt"
report["checks"] = checks.read_text().splitlines() if checks.exists() else []
(out / "gpu.json").write_text(json.dumps(report, indent=2) + "\n")
PY
}

PREFIX=()
use_unpacked_packages
! wants configure || configure
! wants build || { configure; compile; }
! wants checks || checks
! wants passes || passes
! wants run || whole_run
command -v nvidia-smi >/dev/null || { say "no GPU here: nothing was measured"; exit "$FAILED"; }
collect
cat "$OUT/gpu.json"
exit "$FAILED"
