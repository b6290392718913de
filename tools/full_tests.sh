#!/usr/bin/env bash
# tools/full_tests.sh BUILD: what `./run test --full` runs besides the tests of ./run test.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
build=$1
sanitized="$ROOT/build-sanitize"

echo "== the package on a bare Debian, long tests" >&2
tools/package.sh "$build"
ctest --test-dir "$build" --output-on-failure --no-tests=error -L full

echo "== the tests of numbers under every set of kernels" >&2
tools/kernel_sets.sh "$build"

echo "== unit, property and bad-file tests with AddressSanitizer and UndefinedBehaviorSanitizer" >&2
# By clang, as the fuzzers: it takes half of GCC's time here.
cmake -S . --preset sanitize -DMOP_LIBTORCH="$(sed -n 's/^MOP_LIBTORCH:PATH=//p' "$build/CMakeCache.txt")" >"$ROOT/.env/cmake-sanitize.log" 2>&1 ||
  { cat "$ROOT/.env/cmake-sanitize.log"; exit 1; }
ninja -C "$sanitized"
# LibTorch is not built with the sanitizers: containers that cross its border and what it never frees are its own. Tests of
# faults preload a library in front of the sanitizer's.
export ASAN_OPTIONS=detect_leaks=0:detect_container_overflow=0:allow_user_segv_handler=1:handle_sigbus=0:verify_asan_link_order=0
export UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1:suppressions="$ROOT/tests/sanitizer/ubsan.supp"
ctest --test-dir "$sanitized" --output-on-failure --no-tests=error -j "$(nproc)" -L 'unit|properties|bad_files'

echo "== the sanitized program with files of strangers, faults, limits and pictures" >&2
# The sanitizer's own memory is more than any limit on addresses that the program runs under.
# UndefinedBehaviorSanitizer opens a pipe to see whether an object's memory can be read, and needs files for it.
OMP_NUM_THREADS=1 "$sanitized/tests/test_e2e" \
  --gtest_filter='Strangers*:Refusals*:*Faults*:Limited*:*FullDisk*:Llava*:-Strangers.RunningOutOfMemoryIsAnError:Limited.TooManyOpenFilesAreOneErrorWithTheLimit'
