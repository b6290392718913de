#!/usr/bin/env bash
# tools/fuzz.sh BUILD MINUTES [TARGET...]: the minutes shared between the targets of tests/fuzz, one after the other.
# MOP_FUZZ_TIMEOUT: seconds that one input may take, 20; more where the machine has other work.
# What a target has learned is kept in BUILD/corpus, what it found in BUILD/findings; exits 1 when it found anything.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
build=$1 minutes=$2
shift 2
if [ $# = 0 ]; then
  set -- tests/fuzz/*.cc
  set -- "${@##*/}"
  set -- "${@%.cc}"
fi
seconds=$((minutes * 60 / $#))
[ "$seconds" -gt 0 ] || { echo "error: $minutes minutes are too few for $# targets" >&2; exit 2; }

# Files that other tests have and a target can begin with.
seeds() {
  case $1 in
    template) ls tests/golden/chat/*.jinja ;;
    sentencepiece) ls tests/golden/tokenizers/sentencepiece-small/tokenizer.model ;;
    tokenizer_json) ls tests/golden/tokenizers/*/tokenizer.json ;;
    config) ls tests/golden/logits/*/config.json ;;
    picture) ls tests/golden/vision/pictures/* ;;
    safetensors) ls tests/golden/peft/*/adapter_model.safetensors ;;
    gguf) ls tests/golden/gguf/*.gguf ;;
    adapter) ls tests/golden/peft/*/adapter_config.json ;;
    recipe) ls recipes/*.yaml ;;
  esac
  ls -d tests/fuzz/seeds/"$1"/* 2>/dev/null || true
}

# LibTorch is not built with the sanitizers: what it never frees is its own.
export ASAN_OPTIONS=detect_leaks=0:detect_container_overflow=0:allow_user_segv_handler=1:handle_sigbus=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:suppressions="$ROOT/tests/sanitizer/ubsan.supp"
export OMP_NUM_THREADS=1
TIMEFORMAT='%U %S'
# How many blocks of code a target could reach, by its own log.
blocks() { grep -ao 'Loaded [0-9]* modules *([0-9]* inline' "$1" | grep -o '([0-9]*' | tr -d '('; }
mkdir -p "$build/findings"
status=0
for target; do
  corpus="$build/corpus/$target" log="$build/$target.log" found=0
  mkdir -p "$corpus"
  for seed in $(seeds "$target"); do
    cp "$seed" "$corpus/seed-$(echo "$seed" | tr '/' '-')"
  done
  { time nice "$build/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -max_len=65536 -timeout="${MOP_FUZZ_TIMEOUT:-20}" \
    -rss_limit_mb=4096 -malloc_limit_mb=1024 -detect_leaks=0 -print_final_stats=1 \
    -artifact_prefix="$build/findings/$target-" "$corpus" >"$log" 2>&1 || found=1; } 2>"$build/$target.time"
  cpu=$(awk '{printf "%.0f", $1 + $2}' "$build/$target.time")
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
  reached=$(grep -ao 'cov: [0-9]*' "$log" | tail -1)
  if [ $found = 0 ]; then
    echo "$target: ${runs:-0} runs in $cpu s of processor time, ${reached:-cov: ?} of $(blocks "$log") blocks," \
      "$(find "$corpus" -type f | wc -l) files in its corpus, nothing found"
  else
    status=1
    echo "$target: FOUND something after ${runs:-an unknown number of} runs"
    grep -aE "ERROR|runtime error|SUMMARY|Test unit written|uncaught|what\(\)" "$log" | head -5 || tail -5 "$log"
    echo "  again: $build/tests/fuzz/fuzz_$target FILE; all it said: $log"
  fi
done
exit $status
