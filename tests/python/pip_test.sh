#!/usr/bin/env bash
# pip installs the package into a fresh environment, builds it against the torch there, and the tests of the package
# pass with what was installed. Builds the whole library in build-pip unless it is there: some minutes.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT

python3 -m venv "$stage/venv"
python="$stage/venv/bin/python"
site=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# torch and what the tests compare with: those of the reference environment, not downloaded again.
reference=$("$ROOT/.env/reference/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n' "$ROOT/.env/libtorch" "$reference" >"$site/reference.pth"

cd "$ROOT"
MOP_LIBTORCH="$ROOT/.env/libtorch/torch" "$python" -m pip --disable-pip-version-check install -q --no-deps \
  --config-settings=build-dir="$ROOT/build-pip" .
cd "$stage"
"$python" -c "import mop; assert mop.__file__.startswith('$stage'), mop.__file__; print('mop', mop.__version__)"
OMP_NUM_THREADS=1 "$python" "$ROOT/tests/python/mop_test.py"
