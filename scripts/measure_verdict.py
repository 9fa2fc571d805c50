#!/usr/bin/env python3
"""Does layer_lr find what was planted, and nothing where there is nothing to find?

  scripts/measure_verdict.py planted --out results/layer_lr/planted
      Multiplies fc1 of a small mlp by FACTOR and divides fc2 by it before training. The net computes
      the same, but under SGD fc1 wants FACTOR^2 times its rate and fc2 1/FACTOR^2: the ratio of the
      two moves by FACTOR^4. The same searches without the plant tell where it was. (The ratio of two
      layers is loosely determined in most nets, as one makes up for the other; a narrow hidden layer
      and plain SGD make it count, and many searches tell where it lies.)
      Writes planted.csv (the winners' ratios) and planted.json: the verdicts, and how far the ratio
      moved, by the winners alone and by a quadratic surface of validation accuracy over the logarithms
      of ratio and mean rate, fitted to the better half of all trials (needs NumPy).

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


def fitted(trials, numpy):
    """Log ratio at the top of a quadratic surface through the better half of the trials."""
    logs = numpy.log([[float(t["rate.fc1"]), float(t["rate.fc2"])] for t in trials])
    ratio, mean = logs[:, 0] - logs[:, 1], logs.mean(axis=1)
    value = numpy.array([float(t["value"]) for t in trials])
    good = value >= numpy.median(value)
    q, g = ratio[good], mean[good]
    design = numpy.stack([numpy.ones_like(q), q, g, q * q, q * g, g * g], axis=1)
    b = numpy.linalg.lstsq(design, value[good], rcond=None)[0]
    hessian = numpy.array([[2 * b[3], b[4]], [b[4], 2 * b[5]]])
    return -numpy.linalg.solve(hessian, b[1:3])[0]


def planted(arguments):
    try:
        import numpy
    except ImportError:
        sys.exit("planted needs NumPy: python3 -m pip install numpy")
    budget = ["--train-images", 4000, "--validation-images", 4000, "--epochs", 4, "--batch-size", 16]
    # Momentum and decay would blur what the plant does: plain SGD is where the ratio is exact.
    plain = ["--momentum", 0, "--weight-decay", 0, "--rate-low", 0.01, "--rate-high", 3]
    plain += ["--net", "mlp", "--l1", 12, "--no-follow-ups"]
    search = ["--searches", arguments.searches, "--trials", arguments.trials, "--retrains", 4]
    common = [*budget, *plain, *search, "--arms", "global,free", "--reach", arguments.reach]
    common += ["--sampler", arguments.sampler, "--seed", arguments.seed]
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows, found = [], {}
    with tempfile.TemporaryDirectory() as scratch:
        for name, plant in [("as it is", []), ("planted", ["--plant", f"fc1={arguments.factor}"])]:
            folder = (arguments.keep or Path(scratch)) / name.replace(" ", "-")
            verdict, trials = layer_lr(folder, *common, *plant)
            trials = [t for t in trials if t["arm"] == "free" and t["hp.phase"] == "search" and t["value"]]
            ratios = []
            for number in sorted({int(t["hp.search"]) for t in trials}):
                of_search = [t for t in trials if int(t["hp.search"]) == number]
                winner = max(of_search, key=lambda t: float(t["value"]))
                rates = [float(winner[f"rate.{layer}"]) for layer in ("fc1", "fc2")]
                ratios.append(math.log(rates[0] / rates[1]))
                rows.append([name, number, *rates, rates[0] / rates[1], winner["value"]])
            found[name] = ratios, comparison(verdict, "free"), trials
    with open(arguments.out / "planted.csv", "w", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["net", "search", "rate.fc1", "rate.fc2", "ratio", "validation_accuracy"])
        table.writerows(rows)
    (before, verdict_before, trials_before), (after, verdict, trials) = found["as it is"], found["planted"]
    moved = statistics.mean(after) - statistics.mean(before)
    error = math.sqrt(sum(statistics.variance(r) / len(r) for r in (before, after)))
    random = numpy.random.default_rng(0)

    def resampled(trials):
        by_search = {}
        for trial in trials:
            by_search.setdefault(trial["hp.search"], []).append(trial)
        draws = random.choice(list(by_search), len(by_search))
        return [trial for search in draws for trial in by_search[search]]

    surface = fitted(trials, numpy) - fitted(trials_before, numpy)
    draws = [fitted(resampled(trials), numpy) - fitted(resampled(trials_before), numpy) for _ in range(500)]
    wanted = arguments.factor**4
    answer = {
        "factor": arguments.factor,
        "ratio_planted": wanted,
        "ratio_moved": math.exp(surface),
        "ratio_moved_interval": [math.exp(q) for q in numpy.quantile(draws, [0.025, 0.975])],
        "ratio_moved_by_winners": math.exp(moved),
        "ratio_moved_by_winners_interval": [math.exp(moved + z * error) for z in (-1.96, 1.96)],
        "searches": len(after),
        "trials": len(trials),
        "verdict_planted": verdict["verdict"],
        "difference_planted": [verdict[k] for k in ("difference", "low", "high")],
        "verdict_as_it_is": verdict_before["verdict"],
        "difference_as_it_is": [verdict_before[k] for k in ("difference", "low", "high")],
    }
    (arguments.out / "planted.json").write_text(json.dumps(answer, indent=2) + "\n")
    print(json.dumps(answer, indent=2))
    good = 0.5 <= math.exp(surface) / wanted <= 2 and verdict["verdict"] == "better"
    print(f"{'holds' if good else 'DOES NOT HOLD'}: ratio moved {math.exp(surface):.3f}, planted {wanted:.3f}")
    return 0 if good else 1


def control(arguments):
    budget = ["--train-images", 1000, "--validation-images", 1000, "--epochs", 2, "--batch-size", 16]
    search = ["--searches", arguments.searches, "--trials", arguments.trials, "--retrains", 4]
    arguments.out.mkdir(parents=True, exist_ok=True)
    rows = []
    columns = ["difference", "low", "high", "p", "searches", "n", "verdict"]
    for seed in range(arguments.seed, arguments.seed + arguments.repetitions):
        with tempfile.TemporaryDirectory() as scratch:
            flags = ["--net", "alike", "--weight-decay", 0, "--arms", "global,free", "--seed", seed]
            flags += ["--no-follow-ups"]
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
    parser.add_argument("--factor", type=float, default=0.5, help="what fc1 is multiplied by")
    parser.add_argument("--reach", type=float, default=3000.0, help="see layer_lr --reach")
    parser.add_argument("--sampler", default="tpe")
    parser.add_argument("--searches", type=int, help="searches an arm [20 planted, 3 control]")
    parser.add_argument("--trials", type=int, help="trials a search [40 planted, 8 control]")
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--keep", type=Path, help="keep the planted runs here, and resume them")
    arguments = parser.parse_args()
    arguments.searches = arguments.searches or (20 if arguments.what == "planted" else 3)
    arguments.trials = arguments.trials or (40 if arguments.what == "planted" else 8)
    return planted(arguments) if arguments.what == "planted" else control(arguments)


if __name__ == "__main__":
    sys.exit(main())
