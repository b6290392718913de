# shellcheck shell=bash
# tools/setup/setup.sh -- what the machine and this folder need, installed when missing. Sourced by ./run.
# Everything private lives in .env/ (git ignores it); a stamp says for which pins it was made.

readonly ENV_DIR="$ROOT/.env"
readonly PINS="$ROOT/tools/setup"

say() { printf '== %s\n' "$*" >&2; }
fail() { printf 'error: %s\n' "$1" >&2; shift; for line in "$@"; do printf '  %s\n' "$line" >&2; done; exit 1; }

# need_packages PACKAGE...: Debian packages, installed as root, named in one line otherwise.
need_packages() {
  local missing
  missing=$({ dpkg-query -W -f '${Package} ${db:Status-Status}\n' "$@" 2>/dev/null || true; } |
    awk '$2 == "installed" {print $1}' | sort -u | comm -13 - <(printf '%s\n' "$@" | sort -u) | tr '\n' ' ')
  [ -z "$missing" ] && return
  command -v apt-get >/dev/null || fail "these packages are needed and apt-get is not here: $missing"
  if [ "$(id -u)" != 0 ]; then
    fail "Debian packages are missing" "run:   sudo apt-get install --no-install-recommends $missing" \
      "hint:  then start the same command again"
  fi
  say "installing Debian packages: $missing"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086
  apt-get install -qq -y --no-install-recommends $missing >"$ENV_DIR/apt.log" 2>&1 ||
    { apt-get update -qq >>"$ENV_DIR/apt.log" 2>&1 &&
      apt-get install -qq -y --no-install-recommends $missing >>"$ENV_DIR/apt.log" 2>&1; } ||
    { tail -n 20 "$ENV_DIR/apt.log" >&2; fail "apt-get could not install: $missing" "log:   $ENV_DIR/apt.log"; }
}

# stamp_is FILE PIN...: was FILE written for exactly these pins?
stamp_of() { cat "$@" | sha256sum | cut -d ' ' -f 1; }
stamp_is() { local file=$1; shift; [ -f "$file" ] && [ "$(cat "$file")" = "$(stamp_of "$@")" ]; }

# ensure_venv NAME: .env/NAME, a virtual environment. That of the name `reference` has the pip that fetches LibTorch too.
ensure_venv() {
  local python
  [ -x "$ENV_DIR/$1/bin/python" ] && return
  python=$(command -v python3.11 || command -v python3) || fail "python3 is not here"
  say "making the private Python environment .env/$1"
  rm -rf "${ENV_DIR:?}/$1"
  "$python" -m venv "$ENV_DIR/$1" || fail "python3 -m venv failed: install python3-venv"
}

# pip_install ENVIRONMENT ARGUMENTS...
pip_install() {
  local python="$ENV_DIR/$1/bin/python"
  shift
  mkdir -p "$ENV_DIR/tmp"
  TMPDIR="$ENV_DIR/tmp" "$python" -m pip --disable-pip-version-check -q install --no-compile "$@"
}

# unpack_wheels PINS FOLDER: wheels with the pinned hashes, unpacked into FOLDER. They are always those of
# Python 3.11: the C++ libraries inside are the same for every Python.
unpack_wheels() {
  pip_install reference --no-deps --require-hashes --only-binary=:all: --python-version 3.11 --target "$2" -r "$1"
}

# The LibTorch to build with: one named by MOP_LIBTORCH or CMAKE_PREFIX_PATH, else our own.
find_libtorch() {
  local prefix candidate
  for prefix in ${MOP_LIBTORCH:-} $(printf '%s' "${CMAKE_PREFIX_PATH:-}" | tr ':;' '  '); do
    for candidate in "$prefix" "$prefix/torch" "$prefix"/lib/python*/site-packages/torch; do
      [ -e "$candidate/lib/libtorch_cpu.so" ] && { printf '%s' "$candidate"; return; }
    done
  done
  [ -z "${MOP_LIBTORCH:-}" ] || fail "MOP_LIBTORCH=$MOP_LIBTORCH has no lib/libtorch_cpu.so"
  printf '%s' "$ENV_DIR/libtorch/torch"
}

ensure_libtorch() {
  stamp_is "$ENV_DIR/libtorch/.stamp" "$PINS/libtorch.txt" && return
  say "fetching LibTorch (540 MB) into .env/libtorch"
  rm -rf "$ENV_DIR/libtorch.part" "$ENV_DIR/libtorch"
  unpack_wheels "$PINS/libtorch.txt" "$ENV_DIR/libtorch.part" || fail "LibTorch could not be installed" \
    "hint:  name an existing one: MOP_LIBTORCH=/path/to/libtorch ./run build"
  stamp_of "$PINS/libtorch.txt" >"$ENV_DIR/libtorch.part/.stamp"
  mv "$ENV_DIR/libtorch.part" "$ENV_DIR/libtorch"
}

# What plugins/parquet is compiled against. A machine that cannot have it builds the rest.
ensure_arrow() {
  stamp_is "$ENV_DIR/arrow/.stamp" "$PINS/arrow.txt" && return
  say "fetching Arrow (55 MB) into .env/arrow"
  rm -rf "$ENV_DIR/arrow.part" "$ENV_DIR/arrow"
  unpack_wheels "$PINS/arrow.txt" "$ENV_DIR/arrow.part" || { say "without Arrow Parquet files will be refused"; return; }
  rm -rf "$ENV_DIR"/arrow.part/pyarrow/tests "$ENV_DIR"/arrow.part/pyarrow/libarrow_{flight,s3,substrait,dataset,acero}.so*
  stamp_of "$PINS/arrow.txt" >"$ENV_DIR/arrow.part/.stamp"
  mv "$ENV_DIR/arrow.part" "$ENV_DIR/arrow"
}

# The runtime and CUPTI of the CUDA that the torch in FOLDER was built for, as its own requirements name them.
small_cuda_libraries() {
  "$ENV_DIR/reference/bin/python" - "$1" <<'PYTHON'
import importlib.metadata, re, sys
torch = next(importlib.metadata.distributions(name="torch", path=[sys.argv[1]]))
for line in torch.requires:
    name, version = re.match(r"([\w-]+).*==([\w.]+)", line.split(";")[0]).groups() if "==" in line.split(";")[0] else ("", "")
    if re.match(r"nvidia-cuda-(runtime|cupti)", name):
        print(f"{name}=={version}")
    elif name == "cuda-toolkit":
        print(f"cuda-toolkit[cudart,cupti]=={version}")
PYTHON
}

# fetch_libtorch VERSION: .env/libtorch-VERSION with PyPI's torch of that version (a CUDA build) and the two small NVIDIA
# libraries that its libtorch_cpu loads.
fetch_libtorch() {
  local folder="$ENV_DIR/libtorch-$1"
  [ -f "$folder/.complete" ] && return
  say "fetching torch $1 into ${folder#"$ROOT"/}"
  rm -rf "$folder"
  pip_install reference --no-deps --only-binary=:all: --python-version 3.11 --target "$folder" "torch==$1"
  # shellcheck disable=SC2046
  pip_install reference --no-warn-conflicts --only-binary=:all: --python-version 3.11 --target "$folder" $(small_cuda_libraries "$folder")
  touch "$folder/.complete"
}

# NVIDIA's larger libraries, merged into the tree where LibTorch's RPATH looks for them.
ensure_cuda_libraries() {
  stamp_is "$ENV_DIR/libtorch/.cuda-stamp" "$PINS/cuda.txt" && return
  say "fetching the libraries that 'import torch' loads (2 GB) into .env/libtorch/nvidia"
  rm -rf "$ENV_DIR/cuda.part"
  unpack_wheels "$PINS/cuda.txt" "$ENV_DIR/cuda.part" || fail "NVIDIA's libraries could not be installed"
  cp -rlf "$ENV_DIR/cuda.part/nvidia" "$ENV_DIR/libtorch/" 2>/dev/null ||
    cp -rf "$ENV_DIR/cuda.part/nvidia" "$ENV_DIR/libtorch/"
  rm -rf "$ENV_DIR/cuda.part"
  stamp_of "$PINS/cuda.txt" >"$ENV_DIR/libtorch/.cuda-stamp"
}

# ensure_transformers NAME: .env/NAME with the packages of tools/setup/NAME.txt and the one torch of .env/libtorch.
ensure_transformers() {
  local name=$1 site check="$PINS/check_$1.py"
  local pins=("$PINS/libtorch.txt" "$PINS/cuda.txt" "$PINS/$name.txt")
  stamp_is "$ENV_DIR/$name/.ready" "${pins[@]}" && return
  ensure_venv "$name"
  say "installing transformers into .env/$name"
  site=$("$ENV_DIR/$name/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
  printf '%s\n' "$ENV_DIR/libtorch" >"$site/torch.pth"
  pip_install "$name" --no-deps -r "$PINS/$name.txt" || fail "transformers could not be installed into .env/$name"
  [ -f "$check" ] || check="$PINS/check_reference.py"
  "$ENV_DIR/$name/bin/python" "$check" || fail "transformers does not run in .env/$name"
  stamp_of "${pins[@]}" >"$ENV_DIR/$name/.ready"
}

# vLLM, for ./run test --full alone: 1 GB, and its wheel is not for every machine. Without it its tests are skipped.
ensure_vllm() {
  ensure_libtorch
  ensure_cuda_libraries
  (ensure_transformers vllm) || say "vLLM could not be installed into .env/vllm: its tests are skipped"
}

# What quantises results, for ./run test --full and bench/quantised.py.
ensure_quantise() {
  ensure_libtorch
  ensure_cuda_libraries
  ensure_transformers quantise
}

# The reference implementations, for goldens and reader tests only: the newest transformers, and the last 4.x.
ensure_reference() {
  ensure_libtorch
  ensure_cuda_libraries
  ensure_transformers reference
  ensure_transformers reference4
}
