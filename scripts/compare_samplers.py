#!/usr/bin/env python3
"""Search the functions of benches/samplers.rs with Optuna's samplers and with ours, and compare.

    python3 scripts/compare_samplers.py [--functions branin,mixed] [--seeds 30] [--evaluations 100]

For each function and sampler: the median over seeds of the best value found, with Optuna's TPE in its
multivariate form (its default for one objective) and in its independent one, its Gaussian process,
CMA-ES and random search; and one-sided Mann-Whitney tests of whether ours is worse than the sampler of
the same name there, and better than random. Ends with status 1 where ours is worse at 5 %, or where a
model-based sampler is not better than random at 5 %.

Ours come from `cargo bench --bench samplers`, or from a table of its output (--ours FILE). Optuna's
searches take minutes: --theirs FILE keeps them, and reads them where they are there already. Uses the
running Python if it has optuna and scipy, else sets up target/venv.
"""
import argparse
import csv
import math
import os
import statistics
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / "target" / "venv"
PACKAGES = ["optuna>=5,<6", "cmaes", "scipy", "torch", "numpy"]

try:
    import optuna
    from scipy.stats import mannwhitneyu
except ImportError:
    python = VENV / "bin" / "python"
    if Path(sys.prefix) == VENV:
        raise
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    os.execv(python, [python, __file__, *sys.argv[1:]])

# ours: Optuna's counterparts
COUNTERPARTS = {
    "tpe": ["optuna-tpe", "optuna-tpe-independent"],
    "gp": ["optuna-gp"],
    "cma-es": ["optuna-cma-es"],
    "random": ["optuna-random"],
    "sobol": [],
}
MODEL_BASED = {"tpe", "gp", "cma-es"}


def theirs(name, seed):
    """One of Optuna's samplers."""
    samplers = optuna.samplers
    return {
        "optuna-tpe": lambda: samplers.TPESampler(multivariate=True, group=True, seed=seed),
        "optuna-tpe-independent": lambda: samplers.TPESampler(multivariate=False, seed=seed),
        "optuna-gp": lambda: samplers.GPSampler(seed=seed),
        "optuna-cma-es": lambda: samplers.CmaEsSampler(seed=seed),
        "optuna-random": lambda: samplers.RandomSampler(seed=seed),
    }[name]()


def boxed(trial, count, low, high):
    return [trial.suggest_float(f"x{i}", low, high) for i in range(1, count + 1)]


def branin(trial):
    x, y = trial.suggest_float("x1", -5, 10), trial.suggest_float("x2", 0, 15)
    bowl = y - 5.1 / (4 * math.pi**2) * x * x + 5 / math.pi * x - 6
    return bowl**2 + 10 * (1 - 1 / (8 * math.pi)) * math.cos(x) + 10


def hartmann6(trial):
    alpha = [1.0, 1.2, 3.0, 3.2]
    a = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14], [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
    p = [
        [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
        [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
        [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
        [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
    ]
    x = boxed(trial, 6, 0, 1)
    return -sum(
        alpha[i] * math.exp(-sum(a[i][j] * (x[j] - p[i][j]) ** 2 for j in range(6))) for i in range(4)
    )


def ackley(trial):
    x = boxed(trial, 5, -32.768, 32.768)
    squares = sum(v * v for v in x) / len(x)
    waves = sum(math.cos(2 * math.pi * v) for v in x) / len(x)
    return 20 - 20 * math.exp(-0.2 * math.sqrt(squares)) + math.e - math.exp(waves)


def rosenbrock(trial):
    x = boxed(trial, 4, -2, 2)
    return sum(100 * (y - v * v) ** 2 + (1 - v) ** 2 for v, y in zip(x, x[1:]))


def mixed(trial):
    optimizer = trial.suggest_categorical("optimizer", [0, 1, 2])
    rate = (math.log10(trial.suggest_float("lr", 1e-6, 1, log=True)) - [-1, -3, -2][optimizer]) ** 2
    width = (math.log2(trial.suggest_int("width", 8, 1024, log=True)) - 7) ** 2
    activation = [0.3, 0.1, 0.0, 0.2, 0.4][trial.suggest_categorical("activation", [0, 1, 2, 3, 4])]
    dropout = (trial.suggest_float("dropout", 0, 0.9) - 0.3) ** 2
    depth = abs(trial.suggest_int("depth", 1, 8) - 4)
    penalty = [0.1, 0.0, 0.3][optimizer]
    return penalty + 0.5 * rate + 0.05 * width + activation + 2 * dropout + 0.1 * depth


def conditional(trial):
    value = mixed(trial)
    optimizer = trial.params["optimizer"]
    if optimizer == 0:
        return value + 2 * (trial.suggest_float("momentum", 0, 0.99) - 0.8) ** 2
    if optimizer == 1:
        return value + 0.2 * (math.log10(trial.suggest_float("beta", 1e-4, 1, log=True)) + 2) ** 2
    return value + 0.5


FUNCTIONS = {
    "branin": branin,
    "hartmann6": hartmann6,
    "ackley-5": ackley,
    "rosenbrock-4": rosenbrock,
    "mixed": mixed,
    "conditional": conditional,
}


def search(job):
    """The best value that one of Optuna's samplers finds."""
    function, name, seed, evaluations = job
    import warnings

    warnings.filterwarnings("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=theirs(name, seed))
    study.optimize(FUNCTIONS[function], n_trials=evaluations)
    return function, name, seed, evaluations, study.best_value


def read(rows, table):
    for row in csv.DictReader(rows):
        table[row["function"], row["sampler"], int(row["seed"]), int(row["evaluations"])] = float(row["best"])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--functions", default=",".join(FUNCTIONS))
    parser.add_argument("--samplers", default="tpe,random", help="ours; compared with their counterparts")
    parser.add_argument("--seeds", type=int, default=30)
    parser.add_argument("--evaluations", type=int, default=100)
    parser.add_argument("--ours", type=Path, help="output of `cargo bench --bench samplers` instead of running it")
    parser.add_argument("--theirs", type=Path, help="table that keeps Optuna's results")
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    flags = parser.parse_args()
    functions, samplers = flags.functions.split(","), flags.samplers.split(",")
    seeds, evaluations = range(flags.seeds), flags.evaluations
    for given, known in [(functions, FUNCTIONS), (samplers, COUNTERPARTS)]:
        for name in given:
            if name not in known:
                parser.error(f"there is no `{name}`; there are {', '.join(known)}")

    best = {}
    if flags.ours:
        read(flags.ours.read_text().splitlines(), best)
    else:
        command = ["cargo", "bench", "--quiet", "--bench", "samplers", "--"]
        command += ["--functions", flags.functions, "--samplers", ",".join({*samplers, "random"})]
        command += ["--seeds", str(flags.seeds), "--evaluations", str(evaluations)]
        output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
        read(output.splitlines(), best)
    if flags.theirs and flags.theirs.exists():
        read(flags.theirs.read_text().splitlines(), best)
    peers = [peer for name in samplers for peer in COUNTERPARTS[name]]
    jobs = [(f, p, s, evaluations) for p in peers for f in functions for s in seeds]
    jobs = [job for job in jobs if job not in best]
    keep = None
    if flags.theirs and jobs:
        new = not flags.theirs.exists()
        keep = flags.theirs.open("a", buffering=1)
        if new:
            keep.write("function,sampler,seed,evaluations,best\n")
    with ProcessPoolExecutor(flags.workers) as pool:
        for done, (*key, value) in enumerate(pool.map(search, jobs), 1):
            best[tuple(key)] = value
            if keep:
                keep.write(",".join(map(str, [*key, value])) + "\n")
            if sys.stderr.isatty():
                print(f"\r{done}/{len(jobs)} searches with Optuna", end="", file=sys.stderr)

    failures = 0
    print(f"median best of {flags.seeds} seeds after {evaluations} evaluations; one-sided Mann-Whitney p")
    print("function      sampler  ours      counterpart                       p(worse)  random    p(better)")
    for function in functions:
        values = lambda name: [best[function, name, seed, evaluations] for seed in seeds]
        for name in samplers:
            ours, random = values(name), values("random")
            better = mannwhitneyu(ours, random, alternative="less").pvalue
            for peer in COUNTERPARTS[name] or [None]:
                head = f"{function:13} {name:8} {statistics.median(ours):9.4g}"
                tail = f"{statistics.median(random):9.4g} {better:9.2g}"
                failed = name in MODEL_BASED and better >= 0.05
                middle = " " * 43
                if peer:
                    worse = mannwhitneyu(ours, values(peer), alternative="greater").pvalue
                    middle = f"{peer:23} {statistics.median(values(peer)):9.4g} {worse:9.2g}"
                    failed |= worse < 0.05
                failures += failed
                print(f"{head} {middle} {tail}{'  FAILED' if failed else ''}")
    sys.exit(1 if failures else 0)


if __name__ == "__main__":
    main()
