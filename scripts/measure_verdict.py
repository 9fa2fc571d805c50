#!/usr/bin/env python3
"""Does layer_lr find what was planted, and nothing where there is nothing to find?

  scripts/measure_verdict.py planted --out results/layer_lr/planted
      Multiplies conv1 of the tutorial net by FACTOR and divides conv2 by it before training. The net
      computes the same, but under SGD conv1 wants FACTOR^2 times its rate and conv2 1/FACTOR^2: the
      ratio of the two moves by FACTOR^4. The same searches without the plant tell where it was.
      Writes planted.csv (the winners' ratios) and planted.json (the verdicts, and the ratio found).

  scripts/measure_verdict.py control --out results/layer_lr/control
      Runs the protocol again and again on the net `alike`, in which only the sum of the layers' rates
      matters, so that no rates per layer are better than one. Writes control.csv.

Both use synthetic images, cargo's release build, and all cores.
"""

import argparse
import csv
import json
import math
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def layer_lr(out, *flags):
    """Runs the protocol (or goes on with it) and gives verdict and trials."""
    command = [ROOT / "target/release/layer_lr", "--dataset", "synthetic", "--quiet", "--out", out, *flags]
    if (Path(out) / "manifest.json").exists():
        command.append("--resume")
    done = subprocess.run(list(map(str, command)), cwd=ROOT, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        sys.exit(f"layer_lr failed with status {done.returncode}")
    verdict = json.loads((Path(out) / "verdict.json").read_text())
    with open(Path(out) / "trials.csv", newline="") as file:
        return verdict, list(csv.DictReader(file))


def comparison(verdict, arm):
    return next(c for c in verdict["comparisons"] if c["arm"] == arm)


def planted(arguments):
    budget = ["--train-images", 2000, "--validation-images", 2000, "--epochs", 4, "--batch-size", 16]
    # Momentum and decay would blur what the plant does: plain SGD is where the ratio is exact.
    plain = ["--momentum", 0, "--weight-decay", 0, "--rate-low", 0.005, "--rate-high", 1]
    search = ["--searches", arguments.searches, "--trials", arguments.trials, "--retrains", 4]
    common = [*budget, *plain, *search, "--arms", "global,free", "--reach", arguments.reach]
    common += ["--sampler", arguments.sampler, "--seed", arguments.seed]
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows, found = [], {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, plant in [("as it is", []), ("planted", ["--plant", f"conv1={arguments.factor}"])]:
            folder = (arguments.keep or Path(scratch)) / name.replace(" ", "-")
            verdict, trials = layer_lr(folder, *common, *plant)
            trials = [t for t in trials if t["arm"] == "free" and t["hp.phase"] == "search" and t["value"]]
            ratios = []
            for number in sorted({int(t["hp.search"]) for t in trials}):
                of_search = [t for t in trials if int(t["hp.search"]) == number]
                winner = max(of_search, key=lambda t: float(t["value"]))
                rates = [float(winner[f"rate.{layer}"]) for layer in ("conv1", "conv2")]
                ratios.append(math.log(rates[0] / rates[1]))
                rows.append([name, number, *rates, rates[0] / rates[1], winner["value"]])
            found[name] = ratios, comparison(verdict, "free")
    with open(arguments.out / "planted.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["net", "search", "rate.conv1", "rate.conv2", "ratio", "validation_accuracy"])
        table.writerows(rows)
    (before, verdict_before), (after, verdict) = found["as it is"], found["planted"]
    moved = statistics.mean(after) - statistics.mean(before)
    error = math.sqrt(sum(statistics.variance(r) / len(r) for r in (before, after)))
    wanted = arguments.factor**4
    answer = {
        "factor": arguments.factor,
        "ratio_moved": math.exp(moved),
        "ratio_moved_low": math.exp(moved - 1.96 * error),
        "ratio_moved_high": math.exp(moved + 1.96 * error),
        "ratio_planted": wanted,
        "searches": len(after),
        "verdict_planted": verdict["verdict"],
        "difference_planted": [verdict["difference"], verdict["low"], verdict["high"]],
        "verdict_as_it_is": verdict_before["verdict"],
        "difference_as_it_is": [verdict_before[k] for k in ("difference", "low", "high")],
    }
    (arguments.out / "planted.json").write_text(json.dumps(answer, indent=2) + "\n")
    print(json.dumps(answer, indent=2))
    good = 0.5 <= math.exp(moved) / wanted <= 2 and verdict["verdict"] == "better"
    print(f"{'holds' if good else 'DOES NOT HOLD'}: ratio moved {math.exp(moved):.1f}, planted {wanted:.1f}")
    return 0 if good else 1


def control(arguments):
    budget = ["--train-images", 2000, "--validation-images", 1000, "--epochs", 3, "--batch-size", 16]
    search = ["--searches", arguments.searches, "--trials", arguments.trials, "--retrains", 4]
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    columns = ["difference", "low", "high", "p", "searches", "n", "verdict"]
    for seed in range(arguments.seed, arguments.seed + arguments.repetitions):
        with tempfile.TemporaryDirectory() as scratch:
            flags = ["--net", "alike", "--weight-decay", 0, "--arms", "global,free", "--seed", seed]
            flags += ["--rate-low", 1e-4, "--rate-high", 0.05]
            verdict, _ = layer_lr(Path(scratch) / "run", *budget, *search, *flags)
        of_free = comparison(verdict, "free")
        rows.append([seed, *(of_free[name] for name in columns)])
        print(*rows[-1], flush=True)
        with open(arguments.out / "control.csv", "w", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(["seed", *columns])
            table.writerows(rows)
    better = sum(row[-1] == "better" for row in rows)
    print(f"{'holds' if better <= len(rows) / 10 else 'DOES NOT HOLD'}: better in {better} of {len(rows)}")
    return 0 if better <= len(rows) / 10 else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["planted", "control"])
    parser.add_argument("--out", type=Path, required=True, help="folder for the tables")
    parser.add_argument("--factor", type=float, default=2.0, help="what conv1 is multiplied by")
    parser.add_argument("--reach", type=float, default=32.0, help="see layer_lr --reach")
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--searches", type=int, default=5)
    parser.add_argument("--trials", type=int, help="trials a search [40 planted, 12 control]")
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="keep the planted runs here, and resume them")
    arguments = parser.parse_args()
    arguments.trials = arguments.trials or (40 if arguments.what == "planted" else 12)
    return planted(arguments) if arguments.what == "planted" else control(arguments)


if __name__ == "__main__":
    sys.exit(main())
