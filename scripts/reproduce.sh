#!/usr/bin/env bash
# Makes the checked-in results again, and says which of their tables came out the same.
#
#   scripts/reproduce.sh quick                        # figures and README sections from checked-in tables; each
#                                                     # experiment once, small, on synthetic images
#   scripts/reproduce.sh standard --data-dir DIR      # every run under results/ by the command in its manifest
#   scripts/reproduce.sh full --data-dir DIR          # the experiments with --preset full
#
#   --data-dir DIR   CIFAR-10's binary files
#   --out DIR        takes what is made (default: scratch/reproduce); checked-in results are only read
#   --only TEXT      runs whose names have TEXT in them
#   --dry-run        says what it would cost, and stops
#
# Killed or stopped with Ctrl-C, the same command goes on where it was.
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { sed -n '2,14p' "$0" | sed 's/^# \{0,1\}//'; }
fault() { echo "error: $*" >&2; usage >&2; exit 2; }
what= data= out=scratch/reproduce only= dry=
while [ $# -gt 0 ]; do
  case $1 in
    --help | -h) usage; exit ;;
    quick | standard | full) [ -z "$what" ] || fault "$what or $1?"; what=$1; shift ;;
    --data-dir | --out | --only)
      [ $# -gt 1 ] || fault "$1 needs a value"
      case $1 in --data-dir) data=$2 ;; --out) out=$2 ;; --only) only=$2 ;; esac
      shift 2 ;;
    --dry-run) dry=1; shift ;;
    *) fault "unknown: $1" ;;
  esac
done
[ -n "$what" ] || fault 'say quick, standard or full'

bin=target/release
# A value of a manifest, which has a line a key.
value() { sed -n "s/^  \"$2\": \"\{0,1\}\([^\"]*[^\",]\)\"\{0,1\},\{0,1\}$/\1/p" "$1" | head -n 1; }
# Whole runs that are checked in: a run may have parts with manifests of their own, and other runs may lie beside them.
checked_in=$( (git ls-files 'results/*/manifest.json' 2>/dev/null || find results -name manifest.json) | sort)
manifests() {
  for manifest in $checked_in; do
    grep -qxF "$(dirname "$(dirname "$manifest")")/manifest.json" <<<"$checked_in" || echo "$manifest"
  done
}
minutes() { awk -v s="$1" 'BEGIN { if (s < 90) printf "%.0f s", s; else if (s < 5400) printf "%.0f min", s / 60; else printf "%.1f h", s / 3600 }'; }
wanted() { case $1 in *"$only"*) true ;; *) false ;; esac; }

# Runs a command with its output in $out, going on if it was begun; $1 is the folder.
run() {
  local folder=$1 again=()
  shift
  [ -e "$folder/manifest.json" ] && again=(--resume)
  echo "+ $* --out $folder ${again[*]}"
  "$bin/$1" "${@:2}" --out "$folder" "${again[@]}" --quiet
}

# Which tables came out as they are checked in. Columns of seconds differ from run to run.
compare() {
  python=${PYTHON:-python3}
  command -v "$python" >/dev/null || { echo 'without Python 3, tables are not compared'; return; }
  "$python" - "$1" "$2" <<'PY'
import csv, sys
from pathlib import Path
old, new = map(Path, sys.argv[1:])
def rows(path):
    with path.open(newline="") as file:
        return [{k: v for k, v in row.items() if "second" not in (k or "")} for row in csv.DictReader(file)]
# Decisions stand in the order in which trials arrived.
def ordered(rows, name):
    return sorted(rows, key=lambda row: sorted(row.items())) if name.name == "decisions.csv" else rows
same, other = [], []
for path in sorted(old.rglob("*.csv")):
    name = path.relative_to(old)
    found = new / name
    if not found.exists():
        other.append(f"{name} (not there)")
    elif ordered(rows(path), name) == ordered(rows(found), name):
        same.append(str(name))
    else:
        other.append(str(name))
print(f"{old}: {len(same)} tables are the same" + (f"; different: {', '.join(other)}" if other else ""))
PY
}

# What has no manifest: simulations of the protocol, and speed, which no one gets twice the same.
declare -A measures=(
  [results/layer_lr/planted]='about 10 min, needs NumPy'
  [results/layer_lr/control]='about 4 min'
  [results/throughput]='1 h, sets up PyTorch and Ray'
)
measure() {
  local made=$out/standard/${1#results/}
  python=${PYTHON:-python3}
  echo "+ $1"
  case $1 in
    results/layer_lr/planted) "$python" scripts/measure_verdict.py planted --seed 1 --out "$made" && compare "$1" "$made" ;;
    results/layer_lr/control) "$python" scripts/measure_verdict.py control --out "$made" && compare "$1" "$made" ;;
    results/throughput)
      mkdir -p "$made"
      for net in tutorial vgg vgg-bn; do scripts/compare_pytorch.sh "$net"; done | tee "$made/compare_pytorch.csv"
      "$python" scripts/measure_training.py "$data" | tee "$made/measure_training.txt"
      scripts/compare_ray.sh "$data" 2 | tee "$made/compare_ray.csv" ;;
  esac
}

need_data() {
  [ -n "$data" ] && [ -e "$data/test_batch.bin" ] && return
  echo "error: $what needs --data-dir DIR with CIFAR-10's binary files (data_batch_1.bin … test_batch.bin);" >&2
  echo "train --download --data-dir DIR fetches them" >&2
  exit 2
}
[ "$what" = quick ] || [ -n "$dry" ] || need_data

# --only must have something to choose.
names=$(manifests; printf '%s\n' "${!measures[@]}")
[ "$what" = standard ] || names='tune layer_lr sensitivity search_priority importance'
wanted "$names" || fault "--only $only: there is none among" $names
case $what in
  quick) echo 'cost: 8 minutes on 2 cores beside other work, most of it layer_lr and search_priority; no data needed' ;;
  standard)
    echo 'cost, by the manifests of the checked-in runs (2 cores, beside other work):'
    total=0
    for manifest in $(manifests); do
      folder=$(dirname "$manifest")
      wanted "$folder" || continue
      seconds=$(value "$manifest" wall_seconds)
      total=$(awk -v a="$total" -v b="$seconds" 'BEGIN { print a + b }')
      echo "  $folder: $(minutes "$seconds")"
    done
    for measure in "${!measures[@]}"; do
      wanted "$measure" && echo "  $measure: ${measures[$measure]}"
    done
    echo "  in all: $(minutes "$total") for the runs" ;;
  full) echo 'cost: days; each experiment says its own first:' ;;
esac
[ -n "$dry" ] && [ "$what" != full ] && exit 0

cargo build --release --bins
mkdir -p "$out"
case $what in
  quick)
    if [ -z "$only" ]; then
      for folder in $(manifests | xargs -n 1 dirname); do
        "$bin/report" "$folder" --check
      done
      "$bin/report" --readme "$(grep -l '^<!-- /report -->' README.md docs/*.md | paste -sd,)" --check
    fi
    synthetic=(--dataset synthetic --preset quick)
    quick() {
      wanted "$1" || return 0
      run "$out/quick/$1" "${@:2}"
      "$bin/report" "$out/quick/$1"
    }
    quick tune tune "${synthetic[@]}" --sampler tpe --scheduler asha
    quick layer_lr layer_lr "${synthetic[@]}"
    quick sensitivity sensitivity "${synthetic[@]}" --method morris
    quick search_priority search_priority "${synthetic[@]}"
    if wanted importance; then
      "$bin/importance" --journal "$out/quick/tune/study.journal" --out "$out/quick/importance"
      "$bin/report" "$out/quick/importance"
    fi ;;
  standard)
    for manifest in $(manifests); do
      folder=$(dirname "$manifest")
      wanted "$folder" || continue
      read -ra command <<<"$(value "$manifest" command)"
      flags=()
      for ((i = 1; i < ${#command[@]}; i++)); do
        case ${command[i]} in
          --resume | --quiet) ;;
          --out) i=$((i + 1)) ;;
          --data-dir) i=$((i + 1)); flags+=(--data-dir "$data") ;;
          *) flags+=("${command[i]}") ;;
        esac
      done
      made=$out/standard/${folder#results/}
      experiment=$(value "$manifest" experiment)
      if [ "$experiment" = importance ]; then
        "$bin/importance" "${flags[@]}" --out "$made"
      else
        run "$made" "$experiment" "${flags[@]}"
      fi
      compare "$folder" "$made"
    done
    for measure in "${!measures[@]}"; do
      wanted "$measure" && measure "$measure"
    done ;;
  full)
    # Without data, the cost is that of synthetic images.
    full=(--preset full)
    [ -n "$data" ] && full+=(--dataset cifar10 --data-dir "$data")
    for experiment in layer_lr sensitivity search_priority; do
      wanted "$experiment" || continue
      "$bin/$experiment" "${full[@]}" --dry-run
    done
    [ -n "$dry" ] && exit 0
    for experiment in layer_lr sensitivity search_priority; do
      wanted "$experiment" || continue
      run "$out/full/$experiment" "$experiment" "${full[@]}"
    done ;;
esac
