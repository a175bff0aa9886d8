#!/bin/sh
# Build the image that is flashed onto a card or a disk:  ./build-image.sh --arch arm64|amd64 [--out DIR] [--help]
# and give each of N stations an image, an identity and a label of its own:  ./build-image.sh --stamp N --out DIR
#
# Runs unattended as root on Debian 12 or 13 and installs what it needs.  What it fetched and configured is kept in
# /var/tmp/everpx-image (or CACHE=DIR), so that the next build takes minutes.  docs/image.md says what is in it and why.
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here"
. image/machine.sh

case " $* " in *" --help "* | *" -h "*) ;; *)
    [ "$(id -u)" = 0 ] || stop "Building an image needs root: it sets up a Debian system in a folder."
    install_packages image/build-packages.txt
    ;;
esac
make_environment requirements.lock
compile_translations
PYTHONPATH="$here" exec "$here/.venv/bin/python" -m image.build "$@"
