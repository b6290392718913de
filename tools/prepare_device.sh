#!/usr/bin/env bash
# Fills .device/root with the development packages that a build needs, unpacked, nothing installed: so that the
# project can be built on a machine that has a compiler, CMake and LibTorch but no package registry (a GPU node).
# Copy the checkout with .device there and run bench/gpu.sh. Needs apt-get on Debian 12, no root. About 30 MB.
set -euo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
DEVICE=$ROOT/.device
PACKAGES="nlohmann-json3-dev libyaml-cpp-dev libyaml-cpp0.7 libfmt-dev libfmt9 libcli11-dev
  libsentencepiece-dev libsentencepiece0 libprotobuf-lite32 libpcre2-dev libpcre2-8-0 libutf8proc-dev libutf8proc2
  libssl-dev libssl3 libmimalloc-dev libmimalloc2.0 libgtest-dev libgmock-dev googletest
  pkgconf pkgconf-bin libpkgconf3"

STAMP=$DEVICE/.holds-$(printf '%s' "$PACKAGES" | sha256sum | cut -c1-12)
[ ! -f "$STAMP" ] || exit 0
rm -rf "$DEVICE"
mkdir -p "$DEVICE/debs" "$DEVICE/root"
cd "$DEVICE/debs"
for package in $PACKAGES; do
  apt-get download -q "$package" >&2
done
for deb in *.deb; do dpkg -x "$deb" "$DEVICE/root"; done

# Only headers, libraries and CMake files travel. Static libraries have shared twins, except GoogleTest's.
cd "$DEVICE/root"
rm -rf usr/share/doc usr/share/man usr/share/lintian usr/src/googletest/*/test usr/lib/x86_64-linux-gnu/engines-3
find usr/lib -name '*.a' ! -name 'libg*' -delete
rm -rf "$DEVICE/debs"
touch "$STAMP"
du -sh "$DEVICE" >&2
