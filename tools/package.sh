#!/usr/bin/env bash
# tools/package.sh BUILD: dist/mop-VERSION-linux-x86_64.tar.gz, a folder that runs wherever glibc is 2.28
# (LibTorch) and as new as the machine's it was built on (Debian 12: 2.36). No Python, no compiler, no CUDA.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$1
version=$(sed -n 's/^project(mop VERSION \([0-9.]*\).*/\1/p' "$ROOT/CMakeLists.txt")
name="mop-$version-linux-x86_64"
stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
root="$stage/$name"
mkdir -p "$root/bin" "$root/lib" "$root/share/licenses" "$ROOT/dist"

cp "$build/src/mop" "$root/bin/mop"
mkdir -p "$root/share/man/man1" "$root/share/bash-completion/completions"
"$root/bin/mop" man >"$root/share/man/man1/mop.1"
"$root/bin/mop" completion bash >"$root/share/bash-completion/completions/mop"
# Every library the program loads, except those of glibc, which belong to the machine.
ldd "$root/bin/mop" | awk '$2 == "=>" {print $1, $3}' | while read -r soname path; do
  case "$soname" in
    libc.so.* | libm.so.* | libdl.so.* | librt.so.* | libpthread.so.* | libutil.so.* | ld-linux*) continue ;;
  esac
  [ -f "$path" ] || { echo "error: $soname, which mop needs, was not found: $path" >&2; exit 1; }
  cp -L "$path" "$root/lib/$soname"
  package=$(dpkg-query -S "$(readlink -f "$path")" 2>/dev/null | head -n 1 | cut -d : -f 1 || true)
  if [ -n "$package" ] && [ -f "/usr/share/doc/$package/copyright" ]; then
    cp "/usr/share/doc/$package/copyright" "$root/share/licenses/$package"
  fi
done
strip --strip-unneeded "$root/bin/mop"
# The old kind of RPATH (not RUNPATH) also finds the libraries of the libraries.
patchelf --force-rpath --set-rpath "\$ORIGIN/../lib" "$root/bin/mop"

# Licences of what came with LibTorch, and of the headers that were compiled in.
libtorch=$(ldd "$build/src/mop" | awk '$1 == "libtorch_cpu.so" {print $3}')
site=$(dirname "$(dirname "$(dirname "$libtorch")")")
for info in "$site"/torch-*.dist-info "$site"/nvidia_cuda_*.dist-info; do
  [ -d "$info" ] || continue
  find "$info" -iname '*license*' -type f -o -iname 'NOTICE*' -type f | while read -r file; do
    # Named by its whole path: many parts of LibTorch have a file called LICENSE.
    inner=$(printf '%s' "${file#"$info"/}" | tr / -)
    cp "$file" "$root/share/licenses/$(basename "$info" .dist-info)-$inner"
  done
done
for package in nlohmann-json3-dev libcli11-dev; do
  cp "/usr/share/doc/$package/copyright" "$root/share/licenses/$package"
done
cp "$ROOT/LICENSE" "$ROOT/NOTICE" "$ROOT/README.md" "$root/"
cp -r "$ROOT/recipes" "$root/share/recipes"

tar -C "$stage" --sort=name --owner=0 --group=0 --numeric-owner -cf - "$name" |
  gzip -n -6 >"$ROOT/dist/$name.tar.gz.part"
mv "$ROOT/dist/$name.tar.gz.part" "$ROOT/dist/$name.tar.gz"
du -h "$ROOT/dist/$name.tar.gz" | awk '{print $1, $2}'
