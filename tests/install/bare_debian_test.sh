#!/usr/bin/env bash
# The tarball of ./run package runs on a Debian 12 that has neither compiler nor Python: a minimal system made by
# debootstrap, entered by chroot. Needs root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
[ "$(id -u)" = 0 ] || { echo "needs root for debootstrap and chroot"; exit 1; }
command -v debootstrap >/dev/null || apt-get install -qq -y --no-install-recommends debootstrap >/dev/null
tarball=$(ls dist/mop-*-linux-x86_64.tar.gz)
work=$(mktemp -d)
trap 'umount "$work/root/proc" 2>/dev/null || true; rm -rf --one-file-system "$work"' EXIT

debootstrap --variant=minbase bookworm "$work/root" >"$work/log" 2>&1 || { tail -n 20 "$work/log"; exit 1; }
# The loader finds out where a program lies ($ORIGIN) through /proc, which every running Debian has.
mountpoint -q "$work/root/proc" || mount -t proc proc "$work/root/proc"
tar -C "$work/root/opt" -xzf "$tarball"
cp -r assets "$work/root/srv/"
bare() { chroot "$work/root" /usr/bin/env -i PATH=/usr/bin:/bin HOME=/root "$@"; }
for tool in python3 g++ gcc; do
  ! bare sh -c "command -v $tool" || { echo "the bare system has $tool"; exit 1; }
done
program=$(cd "$work/root" && ls -d opt/mop-*/bin/mop)
bare "/$program" --version
bare "/$program" prune /srv/assets/tinystories-12l --out /tmp/out --iterations 2 --select path:LG --samples 8 \
  --calibration /srv/assets/text/generated-calibration.txt
bare "/$program" inspect /tmp/out --json | grep -q '"parameters"'
bare "/$program" generate /tmp/out --prompt "once upon a time" --max-new-tokens 8
