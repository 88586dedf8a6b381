#!/usr/bin/env bash
# Gathers the wheels of everything the image installs in docker/wheels, for builds that cannot reach PyPI
# from inside a container. Run it outside; the Dockerfile uses what lies there and asks nobody then.
#
#   docker/wheels.sh [PYTHON]          (default: python3; its version must be the base image's)
set -euo pipefail
cd "$(dirname "$0")/.."

python=${1:-python3}
rm -rf docker/wheels.new
"$python" -m pip wheel --quiet --wheel-dir docker/wheels.new . pip 'setuptools>=77'
rm -f docker/wheels.new/configmgr_emulator-*.whl # the image is built from the sources beside it
rm -rf docker/wheels
mv docker/wheels.new docker/wheels
du -sh docker/wheels
