#!/usr/bin/env bash
# tools/kernel_sets.sh BUILD [NAME]: the tests that compare numbers, under every set of kernels that this machine can show: LibTorch's
# (ATEN_CPU_CAPABILITY), oneDNN's and MKL's instruction sets, our own kernels of older processors, one thread and two. A tolerance that
# holds by one processor's rounding fails here. As many programs run side by side as there are cores.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
build=$1
only=${2:-}
programs="e2e golden properties device tensor model recovery repair stats criteria solve gradient allocate surgery search eval plan
  export recipe run jobs vision"
# Of the end-to-end tests, all but those of messages, limits, faults and pages, which any kernel passes.
no_numbers='-*Faults*:*FullDisk*:*Signals*:Limited*:Strangers*:Refusals*:Declared*:Program*:NotFinite*:Tokenize*:List*:Check*:ReportOfRun*'

# name | what the processor must have, for the set to differ from what it does by itself | environment
sets='
plain        | sse4_2      | ATEN_CPU_CAPABILITY=default ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2
avx2         | avx512f     | ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2
avx512       | avx512f     | ATEN_CPU_CAPABILITY=avx512 ONEDNN_MAX_CPU_ISA=AVX512_CORE MKL_ENABLE_INSTRUCTIONS=AVX512
bfloat16     | avx512_bf16 | ATEN_CPU_CAPABILITY=avx512 ONEDNN_MAX_CPU_ISA=AVX512_CORE_BF16
old-libraries| sse4_2      | ONEDNN_MAX_CPU_ISA=SSE41 MKL_ENABLE_INSTRUCTIONS=SSE4_2
reproducible | sse4_2      | MKL_CBWR=COMPATIBLE
two-threads  | sse4_2      | OMP_NUM_THREADS=2
'

logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
# run_one LOGS BUILD NAME PROGRAM FILTER ENVIRONMENT: its log stays only when it fails.
run_one() {
  local logs=$1 build=$2 name=$3 program=$4 filter=$5 log="$1/$3: $4"
  echo "== $name: $program" >&2
  # shellcheck disable=SC2086
  if env OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive GTEST_BRIEF=1 $6 "$build/tests/test_$program" --gtest_filter="$filter" >"$log" 2>&1; then
    rm "$log"
  fi
}
export -f run_one

run_sets() {  # lines of NAME|ENVIRONMENT
  local program filter name variables
  for program in $programs; do  # the longest first
    [ -x "$build/tests/test_$program" ] || continue
    filter='*'
    [ "$program" != e2e ] || filter=$no_numbers
    while IFS='|' read -r name variables; do
      printf '%s\0' "$logs" "$build" "$name" "$program" "$filter" "$variables"
    done <<<"$1"
  done | xargs -0 -n 6 -P "$(nproc)" bash -c 'run_one "$@"' -
}

# The kernels that the compiler made for several instruction sets, built without the newer ones, in the same folder: eight files.
with_instructions() {
  cmake -S . -B "$build" -DMOP_INSTRUCTIONS="$1" >/dev/null
  ninja -C "$build" >/dev/null
}

chosen() {  # NAME NEEDED
  [ -z "$only" ] || [ "$only" = "$1" ] || return 1
  grep -qw "$2" /proc/cpuinfo || { echo "== $1: left out, this processor has no $2" >&2; return 1; }
}
shown=
while IFS='|' read -r name needed variables; do
  name=${name// /} needed=${needed// /}
  [ -z "$name" ] || ! chosen "$name" "$needed" || shown+=${shown:+$'\n'}"$name|$variables"
done <<<"$sets"
[ -z "$shown" ] || run_sets "$shown"
for level in "1 avx512f" "0 avx2"; do
  chosen "instructions-${level% *}" "${level#* }" || continue
  trap 'rm -rf "$logs"; with_instructions 2' EXIT
  with_instructions "${level% *}"
  run_sets "instructions-${level% *}|ATEN_CPU_CAPABILITY=avx2"
done

shopt -s nullglob
failed=("$logs"/*)
[ ${#failed[@]} = 0 ] && exit 0
for log in "${failed[@]}"; do
  echo "failed under ${log##*/}" >&2
  cat "$log" >&2
done
exit 1
