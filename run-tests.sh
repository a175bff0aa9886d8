#!/bin/sh
# Run every test:  ./run-tests.sh [--fast | --image]
#
# Installs what it needs, then: style, types, import contracts; the unit floor; the component floor (real
# programs; what needs root is skipped without it); the browser floor.  --fast stops after the unit floor.
# --image builds the arm64 image and starts it in a virtual machine, and does nothing else (root; docs/image.md says how long).
# With CI set, a missing program is a failure instead of a skip.  Reports: build/tests/*.xml
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here"
. image/machine.sh

fast= image=
case "${1:-}" in
--fast) fast=1 ;;
--image) image=1 ;;
"") ;;
*) stop "usage: ./run-tests.sh [--fast | --image]" ;;
esac

install_packages image/packages.txt tests/packages.txt
make_environment requirements.lock requirements-dev.lock
compile_translations
PATH="$here/.venv/bin:$PATH:/usr/sbin:/sbin"
PYTHONPATH="$here"
export PATH PYTHONPATH
reports=build/tests
rm -rf "$reports"
mkdir -p "$reports"
failed=

# floor NAME COMMAND...: run it, note how it went, go on.
floor() {
    name=$1
    shift
    began=$(date +%s)
    say "== $name"
    if "$@"; then how=good; else how=FAILED failed="$failed $name"; fi
    printf '%-14s %-6s %4d s\n' "$name" "$how" $(($(date +%s) - began)) >>"$reports/floors.txt"
}

# What people read in their own language; tests/unit/test_console_words.py says whether it is complete.
tests() {
    name=$1
    shift
    pytest "tests/$name" --junitxml "$reports/$name.xml" "$@"
}

if [ -n "$image" ]; then
    install_packages tests/image-packages.txt
    floor build ./build-image.sh --arch arm64
    [ -n "$failed" ] || floor image tests image -p no:xdist
    python tests/summary.py "$reports"
    [ -z "$failed" ] || stop "Not good:$failed"
    say "All good."
    exit
fi

floor style ruff check .
floor format ruff format --check .
floor types mypy
floor imports lint-imports
floor unit tests unit -n 2
if [ -z "$fast" ]; then
    floor component tests component -n 2 --dist worksteal # each process mounts in a view of its own
    floor browser tests browser
fi

python tests/summary.py "$reports"
[ -z "$failed" ] || stop "Not good:$failed"
say "All good."
