#!/usr/bin/env python3
"""Compare Strata's sensitivity indices with SALib's.

    cargo build --release --bin sensitivity
    python3 scripts/check_sensitivity.py                  # needs SALib 1.6 and NumPy
    python3 scripts/check_sensitivity.py --self-test      # only SALib against the exact indices

Sobol': SALib draws the same unscrambled points itself and evaluates the functions as written here, so
points, functions and estimators are compared, with pairs and without. Morris, with groups and without,
and eFAST: SALib analyses the points and values of our trials.csv, since both draw their own. Prints ours
beside SALib's; exits 1 where they differ by more than 1e-9.
"""
import argparse
import csv
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

try:
    import numpy as np
    from SALib.analyze import fast, morris, sobol
    from SALib.sample import sobol as sobol_sample
except ImportError as error:
    sys.exit(f"{error}: this check needs SALib 1.6: python3 -m pip install SALib==1.6")

warnings.simplefilter("ignore")  # SALib warns of its own intervals, which are not compared
ROOT = Path(__file__).resolve().parent.parent
TOLERANCE = 1e-9
G = np.array([0, 1, 4.5, 9, 99, 99, 99, 99])


def ishigami(x):
    return np.sin(x[:, 0]) + 7 * np.sin(x[:, 1]) ** 2 + 0.1 * x[:, 2] ** 4 * np.sin(x[:, 0])


def sobol_g(x):
    return np.prod((np.abs(4 * x - 2) + G) / (1 + G), axis=1)


def bratley(x):
    signs = (-1.0) ** np.arange(1, x.shape[1] + 1)
    return np.cumprod(x, axis=1) @ signs


def linear(x):
    return x @ 0.5 ** np.arange(1, x.shape[1] + 1)


# Name for --objective, formula, bounds of a variable, number of variables, exact S1 and ST.
FUNCTIONS = {
    "ishigami": (ishigami, (-np.pi, np.pi), 3, [.313905, .442411, 0], [.557589, .442411, .243684]),
    "sobol-g": (sobol_g, (0, 1), 8, [.716192, .179048, .023676, .007162] + [.0000716] * 4,
                [.787144, .242198, .034317, .010460] + [.000105] * 4),
    "bratley-5": (bratley, (0, 1), 5, [.688031, .142155, .051176, .005686, .005686],
                  [.766023, .220147, .098842, .017971, .017971]),
    "linear-10": (linear, (0, 1), 10, *[(.25 ** np.arange(1, 11) * 3).tolist()] * 2),
}


def problem(name, groups=None):
    _, bounds, variables, *_ = FUNCTIONS[name]
    names = [f"x{i + 1}" for i in range(variables)]
    found = {"num_vars": variables, "names": names, "bounds": [bounds] * variables}
    return {**found, "groups": groups} if groups else found


def theirs_sobol(name, samples, pairs):
    task = problem(name)
    x = sobol_sample.sample(task, samples, scramble=False, calc_second_order=pairs)
    found = sobol.analyze(task, FUNCTIONS[name][0](x), calc_second_order=pairs, num_resamples=2, seed=1)
    names = task["names"]
    indices = {(n, index): found[index][i] for index in ("S1", "ST") for i, n in enumerate(names)}
    if pairs:
        for i, first in enumerate(names):
            for j in range(i + 1, len(names)):
                indices[f"{first}:{names[j]}", "S2"] = found["S2"][i][j]
    return indices


def theirs_morris(name, x, y, groups):
    task = problem(name, groups)
    found = morris.analyze(task, x, y, num_levels=4, num_resamples=2, seed=1)
    grouped = {group for group in groups or [] if groups.count(group) > 1}
    return {
        (unit, index): found[index][i]
        for i, unit in enumerate(found["names"])
        for index in ("mu", "mu_star", "sigma")
        if index == "mu_star" or unit not in grouped
    }


def theirs_efast(name, y, curves):
    """The mean over curves of each factor, which are laid out set by set."""
    task = problem(name)
    sets = y.reshape(curves, -1)
    found = [fast.analyze(task, values, M=4, num_resamples=2, seed=1) for values in sets]
    return {
        (n, index): np.mean([one[index][i] for one in found])
        for index in ("S1", "ST")
        for i, n in enumerate(task["names"])
    }


def run(binary, name, method, samples, *more):
    """Our indices, and the points and values of the runs in the design's order."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "run"
        command = [binary, "--objective", name, "--method", method, "--samples", samples, *more]
        command += ["--resamples", 10, "--out", out, "--quiet"]
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        if done.returncode:
            sys.exit(f"{' '.join(map(str, command))}: {done.stderr.strip()}")
        with open(out / "indices.csv", newline="") as file:
            rows = list(csv.DictReader(file))
        with open(out / "trials.csv", newline="") as file:
            trials = sorted(csv.DictReader(file), key=lambda row: int(row["trial"]))
    indices = {(row["parameter"], row["index"]): float(row["value"]) for row in rows}
    columns = [f"hp.{n}" for n in problem(name)["names"]]
    x = np.array([[float(row[column]) for column in columns] for row in trials])
    return indices, x, np.array([float(row["value"]) for row in trials])


def compare(title, ours, theirs):
    """How many indices differ."""
    print(f"{title}\n  {'parameter':12} {'index':8} {'Strata':>22} {'SALib':>22}")
    wrong = 0
    for key in sorted(set(ours) | set(theirs)):
        if key not in ours or key not in theirs:
            side = "Strata" if key not in ours else "SALib"
            print(f"  {key[0]:12} {key[1]:8} only one has it, not {side}  DIFFERS")
            wrong += 1
            continue
        differs = not abs(ours[key] - theirs[key]) <= TOLERANCE * max(1, abs(theirs[key]))
        wrong += differs
        mark = "  DIFFERS" if differs else ""
        print(f"  {key[0]:12} {key[1]:8} {ours[key]:22.15g} {theirs[key]:22.15g}{mark}")
    return wrong


def check(binary, samples):
    wrong = 0
    for name, (formula, *_) in FUNCTIONS.items():
        for pairs in (False, True):
            more = ["--unscrambled"] + (["--second-order"] if pairs else [])
            ours, *_ = run(binary, name, "sobol", samples, *more)
            wrong += compare(f"sobol {name}{' with pairs' if pairs else ''}", ours,
                             theirs_sobol(name, samples, pairs))
        variables = problem(name)["num_vars"]
        groups = ["g", "x2"] + ["g"] * (variables - 2)
        members = ",".join(n for n, group in zip(problem(name)["names"], groups) if group == "g")
        for title, grouping, more in [("", None, []), (" in groups", groups, ["--groups", f"g={members}"])]:
            ours, x, y = run(binary, name, "morris", 20, *more)
            wrong += int(not np.allclose(y, formula(x), rtol=1e-12, atol=1e-12))
            wrong += compare(f"morris {name}{title}", ours, theirs_morris(name, x, y, grouping))
        for points, curves in ((301, 1), (1024, 4)):
            ours, _, y = run(binary, name, "efast", points)
            wrong += compare(f"efast {name} on {curves} curves", ours, theirs_efast(name, y, curves))
    return wrong


def self_test():
    """SALib's indices near the exact ones: that the functions and exact indices here are right."""
    wrong = 0
    for name, (formula, bounds, variables, first, total) in FUNCTIONS.items():
        found = theirs_sobol(name, 8192, False)
        names = problem(name)["names"]
        wrong += any(abs(found[n, "S1"] - exact) > 0.01 for n, exact in zip(names, first))
        wrong += any(abs(found[n, "ST"] - exact) > 0.01 for n, exact in zip(names, total))
        print(f"{name}: {'differs from' if wrong else 'is near'} the exact indices")
    return wrong


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", type=Path, default=ROOT / "target/release/sensitivity")
    parser.add_argument("--samples", type=int, default=1024, help="base samples of sobol")
    parser.add_argument("--self-test", action="store_true", help="only SALib against the exact indices")
    options = parser.parse_args()
    if options.self_test:
        wrong = self_test()
    elif not options.binary.exists():
        sys.exit(f"{options.binary} is missing: cargo build --release --bin sensitivity")
    else:
        wrong = check(options.binary, options.samples)
    print(f"{wrong} differences" if wrong else "no differences")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
