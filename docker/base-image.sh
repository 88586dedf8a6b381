#!/usr/bin/env bash
# Makes a base image without any image registry: a small Debian with its own Python, from Debian's packages.
# Needs root, debootstrap and a Docker engine. Where a registry answers you do not need this: the
# Dockerfile's default base is the official python image.
#
#   docker/base-image.sh [NAME]        (default: cmemu-base:bookworm)
set -euo pipefail

name=${1:-cmemu-base:bookworm}
release=bookworm
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

[ "$(id -u)" = 0 ] || { echo "base-image: debootstrap needs root" >&2; exit 2; }
for program in debootstrap docker tar; do
    command -v "$program" >/dev/null || { echo "base-image: $program is not installed" >&2; exit 2; }
done

root=$(mktemp -d /tmp/cmemu-base.XXXXXX)
trap 'rm -rf --one-file-system "$root"' EXIT
debootstrap --variant=minbase --include=python3,ca-certificates "$release" "$root" "$mirror" >"$root.log" 2>&1 ||
    { tail -n 5 "$root.log" >&2; exit 1; }
rm -f "$root.log"

# What no container reads: package lists, the packages themselves, manuals, translations.
tar -C "$root" -c \
    --exclude='./var/cache/apt/*' --exclude='./var/lib/apt/lists/*' --exclude='./var/log/*' \
    --exclude='./usr/share/doc/*' --exclude='./usr/share/man/*' --exclude='./usr/share/info/*' \
    --exclude='./usr/share/locale/*' --exclude='./dev/*' --exclude='*/__pycache__/*' . |
    docker import --change 'CMD ["python3"]' - "$name" >/dev/null
echo "$name"
