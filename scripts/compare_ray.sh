#!/usr/bin/env bash
# The classic search (10 trials, ASHA) in Strata and in Ray Tune with PyTorch, in turn on the same cores:
# the ratio of median images trained per second.
#
#   scripts/compare_ray.sh DATA_DIR [ROUNDS [WORKERS]]        # CIFAR-10's binary files
#
# Uses the Python in $PYTHON if it has torch and ray, else sets up target/venv-ray.
set -euo pipefail
cd "$(dirname "$0")/.."
data=${1:?usage: scripts/compare_ray.sh DATA_DIR [ROUNDS [WORKERS]]} rounds=${2:-3} workers=${3:-2}
python=${PYTHON:-python3}
if ! "$python" -c 'import torch, ray.tune, safetensors, numpy' 2>/dev/null; then
  [ -x target/venv-ray/bin/python ] || { "$python" -m venv target/venv-ray && target/venv-ray/bin/pip install -q torch 'ray[tune]' numpy safetensors; }
  python=target/venv-ray/bin/python
fi
cargo build --release --bench classic_search
table=$(mktemp)
trap 'rm -f "$table"' EXIT
for seed in $(seq "$rounds"); do
  flags=(--data-dir "$data" --workers "$workers" --seed "$seed")
  cargo bench --quiet --bench classic_search -- "${flags[@]}" | tail -1 | sed 's/^/strata,/' | tee -a "$table"
  "$python" scripts/ray_search.py "${flags[@]}" 2>/dev/null | tail -1 | sed 's/^/ray,/' | tee -a "$table"
done
"$python" - "$table" <<'PY'
import csv, statistics, sys
rows = list(csv.reader(open(sys.argv[1])))
median = lambda name, column: statistics.median(float(row[column]) for row in rows if row[0] == name)
ours, theirs = median("strata", 6), median("ray", 6)
print(f"images trained per second: strata {ours:.0f}, ray {theirs:.0f}, ratio {ours / theirs:.1f}")
print(f"a trial that does nothing: strata {median('strata', 9):.2f} ms")
PY
