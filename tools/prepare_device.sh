#!/usr/bin/env bash
# tools/prepare_device.sh: builds what bench/gpu.sh runs on a machine with an NVIDIA GPU, against the LibTorch that the
# machine's python3 brings, and packs it into .device/ with the libraries such a machine lacks. There, nothing is
# compiled and nothing is fetched: copy the checkout with .device and run bench/gpu.sh.
#
#   .device/programs.tar.xz  bin/ (stripped programs), lib/ (their libraries, without LibTorch and glibc)
#   .device/stamp.json       which commit they are of, and for which LibTorch
#   .device/results.jsonl    results of earlier visits, when you put them there: bench/gpu.sh skips what is done
#
# MOP_DEVICE_LIBTORCH is the LibTorch's version (2.11.0). Again after a change: only what changed is built.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT"
. tools/setup/setup.sh
readonly VERSION=${MOP_DEVICE_LIBTORCH:-2.11.0} BUILD=$ROOT/build-device DEVICE=$ROOT/.device
readonly PROGRAMS=(src/mop bench/mop_bench_pass tools/mop_random_checkpoint)
# What names a suite of tests for a GPU: OnCuda, CudaKernels.
readonly SUITE='^TEST(_F|_P)?\(\w*Cuda\w*,'

# The test programs with such suites: tests/unit/ROOM/.. is test_ROOM, tests/FOLDER/.. is test_FOLDER.
gpu_tests() {
  grep -rlE "$SUITE" tests --include='*_test.cc' | sed -E 's,^tests/(unit/)?([a-z_]+)/.*,test_\2,' | sort -u
}

configure() {
  # No RPATH: the libraries are found by LD_LIBRARY_PATH on the machine where the programs run.
  cmake -S . -B "$BUILD" -G Ninja -DMOP_LIBTORCH="$ENV_DIR/libtorch-$VERSION/torch" -DMOP_BENCH=ON -DMOP_PYTHON=OFF \
    -DCMAKE_SKIP_RPATH=ON -DMOP_TEST_SOURCE=. -DMOP_TEST_PROGRAM=.device/programs/bin/mop >"$ENV_DIR/cmake-device.log" ||
    { cat "$ENV_DIR/cmake-device.log" >&2; fail "cmake could not configure $BUILD"; }
}

compile() {
  local tests
  mapfile -t tests < <(gpu_tests)
  say "building ${PROGRAMS[*]} and ${tests[*]} in ${BUILD#"$ROOT"/}"
  # The programs first: what cannot be built of the tests shows late.
  nice ninja -C "$BUILD" "${PROGRAMS[@]##*/}" >&2
  nice ninja -C "$BUILD" "${tests[@]}" >&2
  FILES=("${PROGRAMS[@]}" "${tests[@]/#/tests/}")
}

# Every library that the program loads, but for the C and C++ runtimes, LibTorch and what comes with LibTorch.
libraries_of() {
  LD_LIBRARY_PATH="$ENV_DIR/libtorch-$VERSION/torch/lib" ldd "$1" | awk '$2 == "=>" {print $1, $3}' |
    while read -r soname path; do
      case "$soname" in
        # Parts of glibc work with one glibc only: those of the machine where they run.
        libc.so.* | libm.so.* | libmvec.so.* | libdl.so.* | librt.so.* | libpthread.so.* | libutil.so.* | libresolv.so.* | libanl.so.* | \
          libnss_*.so.* | ld-linux* | libstdc++.so.* | libgcc_s.so.*) continue ;;
      esac
      case "$path" in "$ENV_DIR"/*) continue ;; esac
      [ -f "$path" ] || fail "$soname, which $(basename "$1") needs, was not found"
      printf '%s %s\n' "$soname" "$path"
    done
}

collect() {
  local file soname path
  rm -rf "$DEVICE/programs" "$DEVICE/libraries"
  mkdir -p "$DEVICE/programs/bin" "$DEVICE/programs/lib"
  for file in "${FILES[@]}"; do
    strip -o "$DEVICE/programs/bin/$(basename "$file")" "$BUILD/$file"
    libraries_of "$BUILD/$file" >>"$DEVICE/libraries"
  done
  sort -u "$DEVICE/libraries" | while read -r soname path; do
    strip --strip-unneeded -o "$DEVICE/programs/lib/$soname" "$path"
  done
  rm "$DEVICE/libraries"
  for file in "$DEVICE"/programs/*/*; do
    ! objdump -T "$file" | grep -q GLIBC_PRIVATE || fail "$(basename "$file") works with this machine's glibc only"
  done
}

# The commit as the program names it, and what tells two states of one changed commit apart.
write_stamp() {
  local commit changes=""
  commit=$("$DEVICE/programs/bin/mop" --version | awk '$1 == "commit" {print $2}')
  case "$commit" in *+changes) changes=$(git diff HEAD -- src cmake CMakeLists.txt | sha256sum | cut -c1-8) ;; esac
  printf '{"commit": "%s", "libtorch": "%s", "built": "%s"}\n' "$commit${changes:+.$changes}" "$VERSION" \
    "$(date -u +%Y-%m-%dT%H:%M:%SZ)" >"$DEVICE/stamp.json"
}

pack() {
  tar -C "$DEVICE/programs" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - bin lib |
    xz -T0 -6 >"$DEVICE/programs.tar.xz.part"
  mv "$DEVICE/programs.tar.xz.part" "$DEVICE/programs.tar.xz"
  rm -rf "$DEVICE/programs"
}

[ -x "$ENV_DIR/reference/bin/python" ] || ./run setup
fetch_libtorch "$VERSION"
configure
compile
rm -rf "$DEVICE/root" "$DEVICE"/.holds-*
collect
export LD_LIBRARY_PATH="$DEVICE/programs/lib:$ENV_DIR/libtorch-$VERSION/torch/lib"
write_stamp
pack
cat "$DEVICE/stamp.json" >&2
du -sh "$DEVICE" >&2
