#!/usr/bin/env python3
"""Open a study journal of Strata with Optuna, compare it with the tables beside it, and go on with it.

    python3 scripts/check_journal.py results/tune/study.journal     # a journal that Strata wrote
    python3 scripts/check_journal.py --begin NEW/study.journal      # a study for Strata to go on with
    python3 scripts/check_journal.py --dashboard results/tune/study.journal

Loads the study, compares states, hyperparameters, values and reports with `trials.csv` and `curves.csv`
where they lie beside it, draws Optuna's plots (into a folder `optuna/` beside it), and lets Optuna
continue the study for a few trials with the recorded distributions. Work on a copy if the study matters:
the trials that Optuna adds stay in it (--trials 0 adds none).

--begin has Optuna begin a study over the space of the classic example, with trials that are complete,
pruned, failed, running and enqueued. --dashboard serves the journal with optuna-dashboard on this machine
alone and asks it for its studies. --write-test-data FOLDER writes the journals that `cargo test` reads.

Uses this Python if it has Optuna and its plotting libraries, else sets up target/venv (and
target/venv-dashboard). Exits with status 1 if anything differs.
"""
import argparse
import csv
import json
import math
import os
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ["optuna==5.0.0", "plotly", "scikit-learn"]
STATUS, ERROR = "strata:status", "strata:error"


def python_of(venv, packages):
    """The Python of a virtual environment with these packages; set up if it is missing."""
    python = ROOT / "target" / venv / "bin" / "python"
    if not python.exists():
        print(f"setting up target/{venv} with {', '.join(packages)}", file=sys.stderr)
        subprocess.run([sys.executable, "-m", "venv", python.parent.parent], check=True)
        subprocess.run([python, "-m", "pip", "install", "-q", *packages], check=True)
    return python


try:
    import optuna
    import plotly  # noqa: F401
    import sklearn  # noqa: F401
except ImportError:
    prepared = python_of("venv", PACKAGES)
    if Path(sys.executable).absolute() == prepared.absolute():
        sys.exit(f"target/venv lacks some of {', '.join(PACKAGES)}: remove it and try again")
    os.execv(prepared, [str(prepared), *sys.argv])

from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

optuna.logging.set_verbosity(optuna.logging.ERROR)
optuna.logging.disable_default_handler()


def storage_of(path):
    return JournalStorage(JournalFileBackend(str(path)))


def load(path, name):
    storage = storage_of(path)
    names = optuna.get_all_study_names(storage)
    if name is None and len(names) != 1:
        sys.exit(f"{path} holds the studies {names}: choose one with --study")
    return optuna.load_study(study_name=name or names[0], storage=storage)


class Differences:
    def __init__(self):
        self.found = []
        self.compared = 0

    def equal(self, what, ours, theirs):
        self.compared += 1
        same = ours == theirs
        if isinstance(ours, float) and isinstance(theirs, float):
            same = same or math.isnan(ours) and math.isnan(theirs)
        if not same:
            self.found.append(f"{what}: table {ours!r}, journal {theirs!r}")


def compare_trials(study, table, differences):
    """`trials.csv` against the study: rows are of finished trials."""
    states = {"complete": TrialState.COMPLETE, "pruned": TrialState.PRUNED,
              "diverged": TrialState.FAIL, "failed": TrialState.FAIL}
    trials = {trial.number: trial for trial in study.get_trials(deepcopy=False)}
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        number = int(row["trial"])
        trial = trials.get(number)
        if trial is None:
            differences.found.append(f"trial {number} is missing in the journal")
            continue
        status = row["status"]
        differences.equal(f"trial {number} state", states[status], trial.state)
        if states[status] == TrialState.FAIL:
            # Trials that Optuna itself failed have no word of ours.
            differences.equal(f"trial {number} {STATUS}", status, trial.user_attrs.get(STATUS, "failed"))
        if status in ("complete", "pruned") and row["value"]:
            differences.equal(f"trial {number} value", float(row["value"]), trial.value)
        if row["error"]:
            differences.equal(f"trial {number} {ERROR}", row["error"], trial.user_attrs.get(ERROR))
        if row["epochs_run"] and trial.intermediate_values:
            differences.equal(f"trial {number} steps", int(row["epochs_run"]), trial.last_step)
        for column, field in row.items():
            if not column.startswith("hp."):
                continue
            name = column.removeprefix("hp.")
            value = trial.params.get(name)
            if field == "":
                differences.equal(f"trial {number} {name}", None, value)
            elif isinstance(value, (bool, str)):
                differences.equal(f"trial {number} {name}", field, str(value).lower() if isinstance(value, bool) else value)
            else:
                differences.equal(f"trial {number} {name}", float(field), None if value is None else float(value))
    return len(rows)


def compare_curves(study, table, differences):
    """The nth report in the journal is the nth validation accuracy or loss of the trial in `curves.csv`.

    Steps are epochs there and optimiser steps here.
    """
    curves = {}
    with open(table, newline="") as file:
        for row in csv.DictReader(file):
            if row["split"] == "validation":
                fields = [float(row[name]) for name in ("loss", "accuracy") if row[name]]
                curves.setdefault(int(row["trial"]), []).append(fields)
    for trial in study.get_trials(deepcopy=False):
        reports = sorted(trial.intermediate_values.items()) if trial.number in curves else ()
        for index, (step, value) in enumerate(reports):
            differences.compared += 1
            known = (curves[trial.number][index:] or [[]])[0]
            if not any(value == field or math.isnan(value) and math.isnan(field) for field in known):
                differences.found.append(f"trial {trial.number} step {step}: table {known}, journal {value}")
    return sum(map(len, curves.values()))


def check_study(study):
    """Every value lies in its distribution, by Optuna's own rules."""
    for trial in study.get_trials(deepcopy=False):
        trial._validate()
        for name, distribution in trial.distributions.items():
            if not distribution._contains(distribution.to_internal_repr(trial.params[name])):
                sys.exit(f"trial {trial.number}: {name} = {trial.params[name]} is outside {distribution}")


def draw(study, folder):
    """Optuna's plots, as HTML and JSON."""
    import optuna.visualization as visualization

    folder.mkdir(exist_ok=True)
    plots = {"history": visualization.plot_optimization_history, "slice": visualization.plot_slice,
             "parallel_coordinate": visualization.plot_parallel_coordinate,
             "importances": visualization.plot_param_importances,
             "intermediate_values": visualization.plot_intermediate_values,
             "timeline": visualization.plot_timeline}
    for name, plot in plots.items():
        figure = plot(study)
        if not figure.data:
            sys.exit(f"Optuna's plot {name} is empty")
        figure.write_html(folder / f"{name}.html")
        (folder / f"{name}.json").write_text(figure.to_json())
    return list(plots)


def suggest(trial, name, distribution):
    if isinstance(distribution, CategoricalDistribution):
        return trial.suggest_categorical(name, distribution.choices)
    if isinstance(distribution, IntDistribution):
        return trial.suggest_int(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)
    assert isinstance(distribution, FloatDistribution)
    return trial.suggest_float(name, distribution.low, distribution.high, step=distribution.step, log=distribution.log)


def go_on(study, trials):
    """Optuna's TPE continues with the distributions that every trial has."""
    begun = [t for t in study.get_trials(deepcopy=False) if t.distributions]
    space = optuna.search_space.intersection_search_space(begun)
    before = len(study.trials)

    def objective(trial):
        for name, distribution in space.items():
            suggest(trial, name, distribution)
        trial.report(0.25, 1)
        return 0.25

    study.sampler = optuna.samplers.TPESampler(seed=1, n_startup_trials=2, multivariate=True)
    study.optimize(objective, n_trials=trials)
    return before, len(study.trials)


def classic(trial):
    """The space of the classic example and a learning curve that knows where it is best."""
    sizes = [2**power for power in range(2, 9)]
    l1, l2 = trial.suggest_categorical("l1", sizes), trial.suggest_categorical("l2", sizes)
    lr = trial.suggest_float("lr", 1e-4, 1e-1, log=True)
    batch_size = trial.suggest_categorical("batch_size", [2, 4, 8, 16])
    best = 0.7 - 0.02 * abs(math.log10(lr) + 2.7) - 0.3 / l1 - 0.3 / l2 - 0.001 * batch_size
    return [best * (1 - 0.7**step) for step in range(1, 9)]


def begin(path, name):
    """A study with trials in every state; the running one belongs to a process that is gone."""
    if path.exists():
        sys.exit(f"{path} exists; name a new file")
    path.parent.mkdir(parents=True, exist_ok=True)
    pruner = optuna.pruners.MedianPruner(n_startup_trials=2, n_warmup_steps=1)
    study = optuna.create_study(storage=storage_of(path), study_name=name, direction="maximize",
                                sampler=optuna.samplers.TPESampler(seed=1), pruner=pruner)

    def objective(trial):
        curve = classic(trial)
        if trial.number == 3:
            raise MemoryError("a trial that cannot run")
        for step, accuracy in enumerate(curve, 1):
            trial.report(math.nan if trial.number == 1 and step == 3 else accuracy, step)
            if trial.should_prune():
                raise optuna.TrialPruned
        return math.nan if trial.number == 1 else curve[-1]

    study.optimize(objective, n_trials=12, catch=(MemoryError,))
    running = study.ask()
    running.report(classic(running)[0], 1)
    study.enqueue_trial({"l1": 128, "l2": 64, "lr": 0.001, "batch_size": 16}, user_attrs={"why": "baseline"})
    study.enqueue_trial({"lr": 0.002})
    count = {}
    for trial in study.trials:
        count[trial.state.name.lower()] = count.get(trial.state.name.lower(), 0) + 1
    print(f"{path}: study {name!r}, to maximize, " + ", ".join(f"{n} {state}" for state, n in sorted(count.items())))


def dashboard(path, port):
    """optuna-dashboard serves the journal."""
    python = python_of("venv-dashboard", ["optuna==5.0.0", "optuna-dashboard"])
    command = [python.parent / "optuna-dashboard", path, "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(120):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/studies") as answer:
                    studies = json.load(answer)["study_summaries"]
                break
            except OSError:
                if server.poll() is not None:
                    sys.exit("optuna-dashboard ended before it served anything")
                time.sleep(0.5)
        else:
            sys.exit("optuna-dashboard did not answer")
        for study in studies:
            url = f"http://127.0.0.1:{port}/api/studies/{study['study_id']}?after=0"
            with urllib.request.urlopen(url) as answer:
                trials = json.load(answer)["trials"]
            print(f"optuna-dashboard serves {study['study_name']!r} with {len(trials)} trials")
    finally:
        server.terminate()
        server.wait()


def write_test_data(folder):
    """Small journals with everything that a foreign one may have."""
    folder.mkdir(parents=True, exist_ok=True)

    def create(file, **settings):
        return optuna.create_study(storage=storage_of(folder / file), **settings)

    for file in ("mixed.log", "studies.log", "objectives.log"):
        (folder / file).unlink(missing_ok=True)
    random = optuna.samplers.RandomSampler
    pruner = optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=0)
    study = create("mixed.log", study_name="mixed", direction="minimize", sampler=random(seed=1), pruner=pruner)
    study.set_user_attr("größe", 'Ω "NaN"')
    study.set_user_attr("limits", [math.nan, math.inf, -math.inf, 1.5])

    def objective(trial):
        optimizer = trial.suggest_categorical("optimizer", ["sgd", "adamw", None, 3, 0.5, True])
        lr = trial.suggest_float("lr", 1e-5, 1e-1, log=True)
        if optimizer == "sgd":
            trial.suggest_float("momentum", 0.0, 0.9, step=0.1)
        width = trial.suggest_int("width", 1, 1000, log=True)
        depth = trial.suggest_int("depth", 1, 9, step=2)
        trial.set_user_attr("note", f"trial {trial.number} is not NaN")
        for step in range(3):
            odd = trial.number == 1 and step == 1
            trial.report(math.nan if odd else lr * width / (step + 1) + trial.number, step)
            if trial.number >= 3 and trial.should_prune():
                raise optuna.TrialPruned
        if trial.number == 2:
            raise ValueError("a trial that cannot run")
        return math.nan if trial.number == 1 else lr * width + depth

    study.optimize(objective, n_trials=7, catch=(ValueError,))
    study.enqueue_trial({"optimizer": "sgd", "lr": 0.01, "width": 32}, user_attrs={"why": "baseline"})
    rate = FloatDistribution(1e-5, 1e-1, log=True)
    study.add_trial(optuna.trial.create_trial(params={"lr": 0.02}, distributions={"lr": rate}, value=0.25,
                                              intermediate_values={0: 0.5, 1: math.inf}))
    study.ask().suggest_float("lr", 1e-5, 1e-1, log=True)
    study.ask().suggest_int("width", 1, 1000, log=True)
    study.enqueue_trial({"optimizer": None, "width": 64, "depth": 4})

    def line(trial):
        return trial.suggest_float("x", -1, 1)

    gone = create("studies.log", study_name="gone", direction="minimize", sampler=random(seed=2))
    second = create("studies.log", study_name="second", direction="maximize", sampler=random(seed=3))
    gone.optimize(line, n_trials=2)
    second.optimize(line, n_trials=2)
    optuna.delete_study(study_name="gone", storage=storage_of(folder / "studies.log"))
    second.optimize(line, n_trials=1)
    third = create("studies.log", study_name="third", direction="minimize", sampler=random(seed=4))
    third.optimize(line, n_trials=2)
    pair = create("objectives.log", study_name="pair", directions=["minimize", "maximize"], sampler=random(seed=5))
    pair.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=2)


def check(path, name, trials):
    study = load(path, name)
    check_study(study)
    states = {}
    for trial in study.get_trials(deepcopy=False):
        word = trial.user_attrs.get(STATUS, trial.state.name.lower())
        states[word] = states.get(word, 0) + 1
    print(f"{path}: study {study.study_name!r}, {study.direction.name.lower()}: "
          + ", ".join(f"{n} {word}" for word, n in sorted(states.items())))
    differences = Differences()
    for file, compare in (("trials.csv", compare_trials), ("curves.csv", compare_curves)):
        if (path.parent / file).exists():
            rows = compare(study, path.parent / file, differences)
            print(f"{file}: {rows} rows compared")
    for difference in differences.found[:20]:
        print(f"DIFFERS: {difference}")
    print(f"{differences.compared} fields compared, {len(differences.found)} differ")
    print("drawn: " + ", ".join(draw(study, path.parent / "optuna")))
    if trials:
        before, after = go_on(study, trials)
        again = len(load(path, study.study_name).trials)
        print(f"Optuna went on from trial {before}: {after} trials now, {again} when loaded again")
        if not before + trials == after == again:
            sys.exit("trials were lost")
        print(f"To go on with Strata: tune --resume with the command of that run (--out {path.parent})")
    return 1 if differences.found else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("journal", type=Path, nargs="?", help="the journal of a study")
    parser.add_argument("--study", help="name of the study (default: the only one; begins `tune`)")
    parser.add_argument("--trials", type=int, default=5, help="trials that Optuna adds (default 5)")
    parser.add_argument("--begin", type=Path, metavar="PATH", help="begin a study with Optuna")
    parser.add_argument("--dashboard", action="store_true", help="serve the journal with optuna-dashboard")
    parser.add_argument("--port", type=int, default=8123, help="port of --dashboard on 127.0.0.1")
    parser.add_argument("--write-test-data", type=Path, metavar="FOLDER", help="write tests/data/journal")
    options = parser.parse_args()
    if options.write_test_data:
        write_test_data(options.write_test_data)
    elif options.begin:
        begin(options.begin, options.study or "tune")
    elif options.journal is None:
        parser.error("name a journal, or --begin one")
    elif not options.journal.exists():
        parser.error(f"there is no {options.journal}")
    elif options.dashboard:
        dashboard(options.journal, options.port)
    else:
        sys.exit(check(options.journal, options.study, options.trials))


main()
