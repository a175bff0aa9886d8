#!/bin/sh
# Run a whole Everpx station on this machine:  ./run-station.sh [--data DIR] [--port N] [--tls-port N] [--help]
#
# Installs what it needs (Debian packages with apt, Python packages into .venv), makes two test drives, and serves the
# console on http://localhost:8080.  With root the drives are real block devices; without, they are folders.
# Pull a drive while it runs:  ./run-station.sh unplug Blue-drive      and plug it in again:  … plug Blue-drive
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
. "$here/image/machine.sh"

install_packages "$here/image/packages.txt"
make_environment requirements.lock
compile_translations
PYTHONPATH="$here${PYTHONPATH:+:$PYTHONPATH}" exec "$here/.venv/bin/python" -m appliance.station "$@"
