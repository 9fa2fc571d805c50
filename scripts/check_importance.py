#!/usr/bin/env python3
"""Compare importances with Optuna's evaluators on journals that Optuna wrote.

    python3 scripts/check_importance.py [--strata target/release/importance] [--seed 0]
    python3 scripts/check_importance.py --time DIR    # what Optuna's fANOVA takes on trials that
                                                      # `cargo bench --bench importance -- --write DIR` wrote

Optuna searches small functions of all kinds of hyperparameters (log, whole, stepped, choices,
conditional) at random; some trials are pruned, some fail. On each journal

- PED-ANOVA must agree with Optuna's to 1e-6, also for conditional hyperparameters;
- fANOVA must agree with Optuna's to .03 once Optuna is given positions in the declared measure, for
  choices too, which it codes in a way that distorts all shares. Optuna itself averages log hyperparameters linearly: on the example, loss = -exp(-(log10 lr + 3)^2 / .5) + .6 v
  with lr log-uniform in [1e-5, 1], lr has .792 of the variance; ours must find it to .03, and what
  Optuna prints is shown beside it.

`--survivors-only` is passed, since Optuna knows completed trials alone. Uses the running Python if it has
optuna and scikit-learn, else sets up target/venv. Exits with status 1 on disagreement.
"""
import argparse
import csv
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / "target" / "venv"
PACKAGES = ["optuna==5.0.0", "scikit-learn"]

try:
    import optuna
    import sklearn  # noqa: F401
except ImportError:
    python = VENV / "bin" / "python"
    if Path(sys.prefix) == VENV:
        raise
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", VENV], check=True)
    subprocess.run([python, "-m", "pip", "install", "-q", *PACKAGES], check=True)
    os.execv(python, [python, __file__, *sys.argv[1:]])

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.importance import FanovaImportanceEvaluator, PedAnovaImportanceEvaluator
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState, create_trial

EXACT, CLOSE, TRUTH = 1e-6, 0.03, 0.792


def mixed(trial):
    """Every kind of hyperparameter; some trials are pruned, some fail."""
    lr = trial.suggest_float("lr", 1e-5, 1.0, log=True)
    dropout = trial.suggest_float("dropout", 0.0, 0.9)
    decay = trial.suggest_float("decay", 0.0, 0.5, step=0.1)
    depth = trial.suggest_int("depth", 1, 8)
    width = trial.suggest_int("width", 8, 512, log=True)
    batch = trial.suggest_int("batch", 16, 256, step=16)
    activation = trial.suggest_categorical("activation", ["relu", "tanh", "gelu", "silu"])
    trial.suggest_float("constant", 2.0, 2.0)
    loss = (math.log10(lr) + 3) ** 2 / 4 + (dropout - 0.3) ** 2 + 0.2 * abs(depth - 5)
    loss += 0.3 * (math.log2(width) - 7) ** 2 / 4 + 0.1 * decay + batch / 1000
    loss += {"relu": 0.0, "tanh": 0.8, "gelu": 0.1, "silu": 0.4}[activation]
    ending(trial, loss)
    return loss


def ending(trial, loss):
    trial.report(loss + 1, 1)
    if trial.number % 11 == 5:
        raise optuna.TrialPruned()
    if trial.number % 17 == 3:
        raise ArithmeticError("diverged")


def conditional(trial):
    """Two hyperparameters that only one optimiser each has."""
    optimizer = trial.suggest_categorical("optimizer", ["sgd", "adam", "lion"])
    lr = trial.suggest_float("lr", 1e-5, 1.0, log=True)
    loss = (math.log10(lr) + {"sgd": 1, "adam": 3, "lion": 4}[optimizer]) ** 2 / 4
    if optimizer == "sgd":
        loss += 3 * (trial.suggest_float("momentum", 0.0, 0.99) - 0.8) ** 2
    if optimizer == "adam":
        loss += (math.log10(trial.suggest_float("beta", 1e-4, 1.0, log=True)) + 2) ** 2 / 8
    ending(trial, loss)
    return loss


def upside_down(trial):
    return -mixed(trial)


def ties(trial):
    """A few values only, so that many trials are as good as the quantile."""
    a, b = trial.suggest_int("a", 0, 3), trial.suggest_categorical("b", [True, False])
    trial.suggest_int("c", 1, 2, log=True)
    return float(a // 2 + (0 if b else 1))


def example(trial):
    """The example above."""
    lr, v = trial.suggest_float("lr", 1e-5, 1.0, log=True), trial.suggest_float("v", 0.0, 1.0)
    return -math.exp(-((math.log10(lr) + 3) ** 2) / 0.5) + 0.6 * v


CASES = [
    ("mixed", mixed, "minimize", 400),
    ("few", mixed, "minimize", 60),
    ("maximised", upside_down, "maximize", 400),
    ("conditional", conditional, "minimize", 400),
    ("ties", ties, "minimize", 100),
    ("example", example, "minimize", 1000),
]


def study_of(folder, name, objective, direction, trials, seed):
    """A journal with a study, searched at random."""
    path = folder / f"{name}.journal"
    storage = JournalStorage(JournalFileBackend(str(path)))
    sampler = optuna.samplers.RandomSampler(seed=seed)
    study = optuna.create_study(storage=storage, sampler=sampler, study_name=name, direction=direction)
    study.optimize(objective, n_trials=trials, catch=(ArithmeticError,))
    return path, study


def ours(options, path, folder):
    """{method: {parameter: importance}} by our program."""
    out = folder / f"{path.stem}-importance"
    command = [str(options.strata), "--journal", str(path), "--method", "fanova,ped-anova", "--out", str(out),
               "--seed", str(options.seed), "--survivors-only", "--quiet"]
    subprocess.run(command, check=True)
    table = {}
    with open(out / "importance.csv") as file:
        for row in csv.DictReader(file):
            table.setdefault(row["method"], {})[row["parameter"]] = float(row["importance"])
    return table


def position(distribution, value):
    """Where a value lies in [0, 1]: equal lengths are equally probable."""
    low, high = distribution.low, distribution.high
    if low == high:
        return 0.5
    if isinstance(distribution, IntDistribution) and distribution.log:
        return math.log(value / (low - 0.5)) / math.log((high + 0.5) / (low - 0.5))
    if distribution.log:
        return math.log(value / low) / math.log(high / low)
    if distribution.step is None:
        return (value - low) / (high - low)
    levels = round((high - low) / distribution.step) + 1
    return (round((value - low) / distribution.step) + 0.5) / levels


def by_position(study):
    """The completed trials with every value as its position, choices in the order of their means.

    Optuna turns a choice into as many numbers as there are choices, each 0 or 1, and averages over
    combinations that no choice has (two ones, or none), which shifts the shares of all hyperparameters.
    """
    trials = study.get_trials(states=[TrialState.COMPLETE])

    def order(name, distribution):
        def mean(choice):
            values = [trial.value for trial in trials if trial.params.get(name) == choice]
            return sum(values) / max(len(values), 1)

        return sorted(distribution.choices, key=mean)

    orders = {name: order(name, distribution) for trial in trials
              for name, distribution in trial.distributions.items()
              if isinstance(distribution, CategoricalDistribution)}
    moved = optuna.create_study(direction=study.direction)
    for trial in trials:
        params = {}
        for name, distribution in trial.distributions.items():
            if name in orders:
                params[name] = (orders[name].index(trial.params[name]) + 0.5) / len(orders[name])
            else:
                params[name] = position(distribution, trial.params[name])
        box = dict.fromkeys(params, FloatDistribution(0.0, 1.0))
        moved.add_trial(create_trial(params=params, distributions=box, value=trial.value))
    return moved


def compare(options, folder):
    """Prints a row for each figure; gives the number of disagreements."""
    wrong = 0
    print(f"{'study':12} {'method':10} {'parameter':12} {'ours':>11} {'Optuna':>11} {'difference':>11}")

    def row(name, method, parameter, our, their, limit):
        nonlocal wrong
        far = not abs(our - their) <= limit
        wrong += far
        print(f"{name:12} {method:10} {parameter:12} {our:11.7f} {their:11.7f} {our - their:11.2e}"
              f"{'  more than ' + format(limit, 'g') if far else ''}")

    for name, objective, direction, trials in CASES:
        path, study = study_of(folder, name, objective, direction, trials, options.seed)
        table = ours(options, path, folder)
        theirs = PedAnovaImportanceEvaluator().evaluate(study)
        for parameter, importance in sorted(theirs.items()):
            row(name, "ped-anova", parameter, table["ped-anova"].get(parameter, math.nan), importance, EXACT)
        if name == "few":
            continue  # forests of so few trials differ by more from seed to seed
        theirs = FanovaImportanceEvaluator(seed=options.seed).evaluate(by_position(study))
        for parameter, importance in sorted(theirs.items()):
            row(name, "fanova", parameter, table["fanova"].get(parameter, math.nan), importance, CLOSE)
        if objective is example:
            linear = FanovaImportanceEvaluator(seed=options.seed).evaluate(study)["lr"]
            row(name, "truth", "lr", table["fanova"]["lr"], TRUTH, CLOSE)
            print(f"{name:12} Optuna's own fANOVA, linear in lr, gives lr {linear:.4f}")
        elif name == "mixed":
            coded = FanovaImportanceEvaluator(seed=options.seed).evaluate(study)
            shown = ", ".join(f"{parameter} {share:.3f}" for parameter, share in coded.items())
            print(f"{name:12} Optuna's own fANOVA gives {shown}")
    return wrong


def measure(folder):
    """What Optuna's fANOVA takes for the trials of the benchmark."""
    print("task,trials,parameters,seconds")
    for path in sorted(folder.glob("continuous-*.csv")):
        with open(path) as file:
            rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
        names = [name for name in rows[0] if name != "loss"]
        if len(rows) > 2000:
            print(f"{path.stem}: left out, it would take hours", file=sys.stderr)
            continue
        study = optuna.create_study()
        box = {name: FloatDistribution(0.0, 1.0) for name in names}
        study.add_trials([create_trial(params={name: row[name] for name in names}, distributions=box,
                                       value=row["loss"]) for row in rows])
        start = time.perf_counter()
        FanovaImportanceEvaluator(seed=0).evaluate(study)
        print(f"optuna fanova singles,{len(rows)},{len(names)},{time.perf_counter() - start:.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--strata", type=Path, default=ROOT / "target" / "release" / "importance")
    parser.add_argument("--seed", type=int, default=0, help="of the searches and forests")
    parser.add_argument("--time", type=Path, metavar="DIR", help="measure Optuna on the benchmark's trials")
    options = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if options.time:
        return measure(options.time)
    if not options.strata.exists():
        sys.exit(f"{options.strata} does not exist; `cargo build --release --bin importance` makes it")
    with tempfile.TemporaryDirectory() as folder:
        wrong = compare(options, Path(folder))
    print(f"{wrong} disagreements" if wrong else "all agree")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
