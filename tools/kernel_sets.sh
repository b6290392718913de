#!/usr/bin/env bash
# tools/kernel_sets.sh BUILD [NAME]: the tests that compare numbers, under every set of kernels that this machine can show: LibTorch's
# (ATEN_CPU_CAPABILITY), oneDNN's and MKL's instruction sets, our own kernels of older processors, one thread and two. A tolerance that
# holds by one processor's rounding fails here.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
build=$1
only=${2:-}
programs="tensor model stats criteria surgery search recovery eval plan export recipe run jobs properties golden device e2e"

# name | environment. What a machine lacks, its libraries leave out by themselves: the set is then one of the others.
sets='
plain        | ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2
avx2         | ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2
avx512       | ATEN_CPU_CAPABILITY=avx512 ONEDNN_MAX_CPU_ISA=AVX512_CORE MKL_ENABLE_INSTRUCTIONS=AVX512
bfloat16     | ATEN_CPU_CAPABILITY=avx512 ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16
old-libraries| ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2
old-torch    | ATEN_CPU_CAPABILITY=default
reproducible | MKL_CBWR=COMPATIBLE
two-threads  | OMP_NUM_THREADS=2
'

failed=()
run_set() {  # NAME VARIABLE=VALUE...
  local name=$1 program
  shift
  for program in $programs; do
    [ -x "$build/tests/test_$program" ] || continue
    echo "== $name: $program" >&2
    env OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive GTEST_BRIEF=1 "$@" "$build/tests/test_$program" ||
      failed+=("$name: $program")
  done
}

# The kernels that the compiler made for several instruction sets, built without the newer ones, in the same folder: eight files.
with_instructions() {
  cmake -S . -B "$build" -DMOP_INSTRUCTIONS="$1" >/dev/null
  ninja -C "$build" >/dev/null
}

while IFS='|' read -r name variables; do
  name=$(tr -d ' ' <<<"$name")
  [ -n "$name" ] && { [ -z "$only" ] || [ "$only" = "$name" ]; } || continue
  # shellcheck disable=SC2086
  run_set "$name" $variables
done <<<"$sets"
for level in 1 0; do
  [ -z "$only" ] || [ "$only" = "instructions-$level" ] || continue
  trap 'with_instructions 2' EXIT
  with_instructions "$level"
  run_set "instructions-$level" ATEN_CPU_CAPABILITY=avx2
done

[ ${#failed[@]} = 0 ] || { printf 'failed under %s\n' "${failed[@]}" >&2; exit 1; }
