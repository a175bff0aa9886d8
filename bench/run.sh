#!/bin/sh
# Every benchmark, as root:  bench/run.sh [RESULTS]     one line of JSON a result; see docs/benchmarks.md
set -eu
here=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$here"
results=${1:-bench/results/$(date -u +%Y-%m-%dT%H%M).jsonl}
mkdir -p "$(dirname "$results")"
[ "$(id -u)" = 0 ] || { echo "Benchmarks mount drives: run this as root." >&2; exit 1; }
PYTHONPATH="$here"
export PYTHONPATH
for bench in idle idle_plugins library search ingest watch import webdav smb backup offline_album zip; do
    echo "== $bench" >&2
    .venv/bin/python "bench/$bench.py" | tee -a "$results"
done
.venv/bin/python - "$results" <<'PYTHON'
import json, sys
lines = [json.loads(line) for line in open(sys.argv[1]) if line.startswith("{")]
for line in (l for l in lines if "target" in l):
    print(f"{'reached' if line['ok'] else 'MISSED ':8} {line['bench']:8} {line['what']:44} "
          f"{line.get('ratio', line.get('value'))} {line.get('unit', '')} (target {line['target']})")
PYTHON
