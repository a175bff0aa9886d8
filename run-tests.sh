#!/bin/sh
# Run every test:  ./run-tests.sh [--fast]
#
# Installs what it needs, then: style, types, import contracts; the unit floor; the component floor (real
# programs; what needs root is skipped without it); the browser floor.  --fast stops after the unit floor.
# With CI set, a missing program is a failure instead of a skip.  Reports: build/tests/*.xml
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cd "$here"
. image/machine.sh

fast=
case "${1:-}" in
--fast) fast=1 ;;
"") ;;
*) stop "usage: ./run-tests.sh [--fast]" ;;
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
