#!/usr/bin/env bash
# Strata against eager PyTorch on the same cores, in turn (A B A B …): ratios of median images a second.
#
#   scripts/compare_pytorch.sh [NET [THREADS [ROUNDS [BATCH_SIZES [SECONDS]]]]]
#   scripts/compare_pytorch.sh tutorial 1 5 4,16,64,128 1
#
# STRATA_SIMD=avx2 or baseline switches wider vectors off on our side. Uses the Python in $PYTHON if
# it has torch, else sets up target/venv.
set -euo pipefail
cd "$(dirname "$0")/.."
net=${1:-tutorial} threads=${2:-1} rounds=${3:-5} batches=${4:-4,16,64,128} seconds=${5:-1}
python=${PYTHON:-python3}
if ! "$python" -c 'import torch, safetensors, numpy' 2>/dev/null; then
  [ -x target/venv/bin/python ] || { "$python" -m venv target/venv && target/venv/bin/pip install -q torch numpy safetensors; }
  python=target/venv/bin/python
fi
cargo build --release --bench throughput
flags=(--threads "$threads" --batch-sizes "$batches" --seconds "$seconds" --net "$net")
table=$(mktemp)
trap 'rm -f "$table"' EXIT
for _ in $(seq "$rounds"); do
  cargo bench --quiet --bench throughput -- "${flags[@]}" 2>/dev/null | tail -n +2 >>"$table"
  "$python" scripts/pytorch_throughput.py "${flags[@]}" | tail -n +2 >>"$table"
done
"$python" - "$table" "$net" "$rounds" "${STRATA_SIMD:-widest}" <<'PY'
import csv, statistics, sys
path, net, rounds, simd = sys.argv[1:]
rates = {}
for row in csv.reader(open(path)):
    rates.setdefault((int(row[2]), row[0].split("-")[0]), []).append(float(row[3]))
    threads = row[1]
print("net,simd,threads,batch_size,strata_images_per_second,pytorch_images_per_second,ratio,rounds")
for batch in sorted({batch for batch, _ in rates}):
    ours, theirs = (statistics.median(rates[batch, name]) for name in ("strata", "pytorch"))
    print(f"{net},{simd},{threads},{batch},{ours:.0f},{theirs:.0f},{ours / theirs:.2f},{rounds}")
PY
