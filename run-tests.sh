#!/bin/sh
# Run every test:  ./run-tests.sh [--fast | --image | --image-all]
#
# Installs what it needs, then: style, types, import contracts; the unit floor; the component floor (real
# programs; what needs root is skipped without it); the browser floor.  --fast stops after the unit floor.
# --image builds the arm64 image and starts it in a virtual machine, and does nothing else (root).  --image-all builds
# both, with all that can happen to the arm64 one, in 70 minutes on two cores (docs/image.md).
# With CI set, a missing program is a failure instead of a skip, and --image comes last.  Reports: build/tests/*.xml
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here"
. image/machine.sh

fast= only_image= all=
case "${1:-}" in
--fast) fast=1 ;;
--image) only_image=1 ;;
--image-all) only_image=1 all=1 ;;
"") ;;
*) stop "usage: ./run-tests.sh [--fast | --image | --image-all]" ;;
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

# image ARCH TESTS...: build it, and start it in a virtual machine if it could be built.
image() {
    arch=$1
    shift
    install_packages tests/image-packages.txt
    before=$failed
    floor "$arch-build" ./build-image.sh --arch "$arch"
    [ "$failed" = "$before" ] || return 0
    floor "$arch-image" env EVERPX_BUILT="$here/build/image/$arch" \
        pytest "$@" -p no:xdist --junitxml "$reports/image-$arch.xml"
}

finish() {
    python tests/summary.py "$reports"
    [ -z "$failed" ] || stop "Not good:$failed"
    say "All good."
    exit
}

if [ -n "$only_image" ]; then
    if [ -n "$all" ]; then
        image arm64 tests/image
        image amd64 tests/image/test_story.py tests/image/test_films.py
    else
        image arm64 tests/image/test_story.py
    fi
    finish
fi

floor style ruff check .
floor format ruff format --check .
floor types mypy
floor imports lint-imports
floor unit tests unit -n 2
if [ -z "$fast" ]; then
    floor component tests component -n 2 --dist worksteal # each process mounts in a view of its own
    floor browser tests browser
    [ -z "${CI:-}" ] || image arm64 tests/image/test_story.py
fi
finish
