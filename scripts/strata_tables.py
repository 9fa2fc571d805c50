"""Tables, manifest and journal of a study that an engine outside of Strata runs, as `tune` writes them.

Recording a journal needs Optuna.
"""
import csv
import json
import os
import time
from pathlib import Path

import strata_space
from strata_worker import WorkerFailure

CURVE_COLUMNS = ["trial", "step", "split", "loss", "accuracy", "images_trained", "seconds"]
LAYER_COLUMNS = ["trial", "step", "layer", "rate", "decay", "weight_norm", "gradient_norm", "relative_update",
                 "rotation", "distance_from_init", "gradient_cosine", "dead_fraction", "init_cosine",
                 "gradient_product"]
DECISION_COLUMNS = ["trial", "step", "value", "rung", "cutoff", "competitors", "decision"]
TRIAL_COLUMNS = ["trial", "arm", "replicate", "seed", "status", "error", "epochs_run", "images_trained", "seconds",
                 "value", "validation_loss", "validation_accuracy", "test_loss", "test_accuracy"]
FINISHED = ("complete", "pruned", "diverged", "failed")


def recorded_trials(folder, parameters):
    """Configurations and seeds of a recorded run, in the order of its trials.

    A run of `layer_lr` has an arm and a rate for each layer instead of a space: its trials are those rates.
    """
    path = Path(folder) / "trials.csv"
    if not path.is_file():
        raise WorkerFailure(f"--replay {folder}: there is no trials.csv")
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    trials = []
    for row in sorted(rows, key=lambda row: int(row["trial"])):
        trial = {"seed": int(row["seed"]), "number": int(row["trial"]), "row": row}
        if "hp.phase" in row:
            rates = {key[5:]: float(value) for key, value in row.items() if key.startswith("rate.") and value}
            trial["layer_rates"] = rates
            trial["test"] = row["hp.phase"] == "retrain"
            trial["values"] = {name: float(row[f"hp.{name}"]) for name in ("momentum", "weight_decay")
                               if row.get(f"hp.{name}")}
        else:
            fields = {p["name"]: row.get(f"hp.{p['name']}", "") for p in parameters}
            trial["values"] = {p["name"]: strata_space.parse_value(p, fields[p["name"]]) for p in parameters if fields[p["name"]]}
        trials.append(trial)
    return trials


# Tables of a study.


class TornTable:
    """A CSV file that grows by whole lines; a line that a crash cut off is dropped when it is opened."""

    def __init__(self, path, columns):
        self.path, self.columns = Path(path), columns
        if self.path.exists():
            text = self.path.read_bytes()
            whole = text[: text.rfind(b"\n") + 1]
            if whole != text:
                self.path.write_bytes(whole)
        if not self.path.exists() or not self.path.stat().st_size:
            self.path.write_text(",".join(columns) + "\n")
        self.file = open(self.path, "a", newline="")
        self.writer = csv.writer(self.file, lineterminator="\n")

    def append(self, rows):
        self.writer.writerows(rows)
        self.file.flush()

    def sort_unique(self, key):
        """Sorts by trial and step and keeps the last of rows that were written again after an interruption."""
        self.file.close()
        with open(self.path, newline="") as file:
            rows = list(csv.reader(file))[1:]
        kept = {tuple(row[self.columns.index(name)] for name in key): row for row in rows}
        # By trial and step; rows of one step stay in the order in which they came.
        rows = sorted(kept.values(), key=lambda row: (int(row[0]), int(row[1])))
        write_table(self.path, self.columns, rows)


def write_table(path, columns, rows):
    """Replaces a table in one step."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    with open(part, "w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(rows)
    os.replace(part, path)


def write_json(path, value):
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
    os.replace(part, path)


class RecordedTrial:
    """What is known of a trial."""

    def __init__(self, number, values, seed):
        self.number, self.values, self.seed = number, values, seed
        self.arm, self.replicate = "tune", number
        self.extra = {}
        self.status, self.error = "running", ""
        self.rates = {}
        self.reports = {}
        self.last = None
        self.test = (None, None)

    @property
    def is_finished(self):
        return self.status in FINISHED


class Tables:
    """`trials.csv`, `curves.csv`, `layers.csv`, `decisions.csv`, `best.json` and `manifest.json` of a study in the
    folder `out`, as `tune` writes them. Rows are written as they happen."""

    REWRITE_SECONDS = 5.0

    def __init__(self, out, description, manifest, metric, direction):
        self.out = Path(out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.parameters = description["parameters"]
        self.layers = description["layers"]
        self.manifest = manifest
        self.metric, self.direction = metric, direction
        self.trials = {}
        self.decisions = {}
        self.curves = TornTable(self.out / "curves.csv", CURVE_COLUMNS)
        self.layer_rows = TornTable(self.out / "layers.csv", LAYER_COLUMNS)
        self.begun = time.monotonic()
        self.seconds_before = manifest.get("wall_seconds", 0.0)
        self.written = 0.0
        # Columns hp.NAME that are no hyperparameters of the space.
        self.extra_columns = []
        self.dropped_columns = []
        path = self.out / "decisions.csv"
        if path.exists():
            with open(path, newline="") as file:
                for row in list(csv.reader(file))[1:]:
                    self.decisions[(int(row[0]), int(row[1]))] = row
        self.write()

    def start(self, number, values, seed):
        """A trial begins, or goes on."""
        trial = self.trials.get(number)
        if trial is None:
            trial = self.trials[number] = RecordedTrial(number, values, seed)
        trial.values = values
        return trial

    def epoch(self, number, line):
        """Records the line of an epoch; gives whether it is news."""
        trial = self.trials[number]
        curve = [[number, line["steps"], "train", strata_space.field(_real(line.get("train_loss"))),
                  strata_space.field(_real(line.get("train_accuracy"))), line["images_trained"], f"{line['seconds']:.3f}"]]
        if line.get("loss") is not None:
            curve.append([number, line["steps"], "validation", strata_space.field(float(line["loss"])),
                          strata_space.field(float(line["accuracy"])), line["images_trained"], f"{line['seconds']:.3f}"])
        self.curves.append(curve)
        self.layer_rows.append([[number, *row] for row in line.get("layers", [])])
        if line.get("loss") is None:
            return False
        is_news = line["epoch"] not in trial.reports
        trial.reports[line["epoch"]] = line[self.metric]
        trial.last = line
        return is_news

    def test(self, number, loss, accuracy):
        """Records the test of a final model."""
        trial = self.trials[number]
        trial.test = (loss, accuracy)
        last = trial.last
        self.curves.append([[number, last["steps"], "test", strata_space.field(float(loss)), strata_space.field(float(accuracy)),
                             last["images_trained"], f"{last['seconds']:.3f}"]])

    def decision(self, number, step, value, verdict, rung=None, cutoff=None, competitors=0):
        row = [number, step, strata_space.field(value), strata_space.field(rung), strata_space.field(cutoff), competitors, verdict]
        self.decisions[(number, step)] = row

    def end(self, number, status, error=""):
        """A trial has ended: complete, pruned, diverged or failed."""
        trial = self.trials[number]
        trial.status, trial.error = status, " ".join(error.split())
        if time.monotonic() - self.written >= self.REWRITE_SECONDS:
            self.write()

    def value(self, trial):
        """What the search compares: the last report of a trial that ended well."""
        if trial.status not in ("complete", "pruned") or trial.last is None:
            return None
        return float(trial.last[self.metric])

    def best(self):
        """The best complete trial; the earliest of equals."""
        sign = 1 if self.direction == "minimize" else -1
        complete = [trial for _, trial in sorted(self.trials.items())
                    if trial.status == "complete" and self.value(trial) is not None]
        return min(complete, key=lambda trial: sign * self.value(trial), default=None)

    def row(self, trial):
        last = trial.last or {}
        names = [p["name"] for p in self.parameters if p["name"] not in self.dropped_columns]
        values = {**trial.values, **trial.extra}
        fixed = [trial.number, trial.arm, trial.replicate, trial.seed, trial.status, trial.error, last.get("epoch", 0),
                 last.get("images_trained", 0), f"{last.get('seconds', 0.0):.3f}", strata_space.field(self.value(trial)),
                 strata_space.field(_real(last.get("loss"))), strata_space.field(_real(last.get("accuracy"))),
                 strata_space.field(trial.test[0]), strata_space.field(trial.test[1])]
        hyperparameters = [strata_space.field(values.get(name)) for name in [*self.extra_columns, *names]]
        return fixed + hyperparameters + [strata_space.field(_real(trial.rates.get(layer))) for layer in self.layers]

    def write(self, status="running"):
        """Writes the tables that follow from the trials."""
        self.written = time.monotonic()
        finished = [trial for _, trial in sorted(self.trials.items()) if trial.is_finished]
        names = [p["name"] for p in self.parameters if p["name"] not in self.dropped_columns]
        columns = TRIAL_COLUMNS + [f"hp.{name}" for name in [*self.extra_columns, *names]]
        columns += [f"rate.{layer}" for layer in self.layers]
        write_table(self.out / "trials.csv", columns, [self.row(trial) for trial in finished])
        write_table(self.out / "decisions.csv", DECISION_COLUMNS, list(self.decisions.values()))
        seconds = self.seconds_before + time.monotonic() - self.begun
        images = sum((trial.last or {}).get("images_trained", 0) for trial in self.trials.values())
        self.manifest.update(status=status, wall_seconds=seconds, trials=len(finished),
                             trials_per_hour=len(finished) * 3600 / max(seconds, 1e-9),
                             images_per_second=images / max(seconds, 1e-9))
        write_json(self.out / "manifest.json", self.manifest)

    def finish(self, status):
        """Sorts the tables and writes the best configuration; gives a sentence for people."""
        self.curves.sort_unique(["trial", "step", "split"])
        self.layer_rows.sort_unique(["trial", "step", "layer"])
        self.write(status)
        best = self.best()
        if best is None:
            write_json(self.out / "best.json", {"trial": None})
            return "no trial was completed: see status and error in trials.csv"
        last = best.last
        metrics = {name: last[name] for name in ("loss", "accuracy", "train_loss", "train_accuracy")
                   if last.get(name) is not None}
        write_json(self.out / "best.json", {
            "trial": best.number, "metric": self.metric, "value": self.value(best), "configuration": best.values,
            "epochs": last["epoch"], "metrics": metrics, "seed": best.seed, "test": None})
        values = ", ".join(f"{name} = {strata_space.field(value)}" for name, value in best.values.items())
        return (f"best of {len(self.trials)} trials: trial {best.number}, {self.metric} {self.value(best):.4g}\n"
                f"configuration: {values}")


def _real(value):
    return None if value is None else float(value)


# The journal, by Optuna.


def distribution(parameter):
    """A parameter as Optuna knows it, and as Strata writes it to its journals."""
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
    if parameter["kind"] == "categorical":
        return CategoricalDistribution(parameter["choices"])
    if parameter["kind"] == "int":
        return IntDistribution(parameter["low"], parameter["high"], log=parameter["log"], step=parameter["step"])
    low, high = strata_space.ends(parameter)
    return FloatDistribution(low, high, log=parameter.get("log", False), step=parameter.get("step"))


def progress(line):
    """The attribute `strata:progress` of a report."""
    names = ("loss", "accuracy", "train_loss", "train_accuracy")
    metrics = [[name, line[name]] for name in names if line.get(name) is not None]
    return {"step": line["epoch"], "images_trained": line["images_trained"], "seconds": line["seconds"],
            "metrics": metrics}


class Journal:
    """`study.journal` beside the tables: what a study is resumed from, and what Optuna opens."""

    def __init__(self, out, direction, name="strata"):
        import optuna
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.optuna = optuna
        path = Path(out) / "study.journal"
        if path.exists():
            text = path.read_bytes()
            whole = text[: text.rfind(b"\n") + 1]
            if whole != text:
                path.write_bytes(whole)
        # A driver that was killed while it wrote has left its lock.
        path.with_name(path.name + ".lock").unlink(missing_ok=True)
        storage = JournalStorage(JournalFileBackend(str(path)))
        self.study = optuna.create_study(storage=storage, study_name=name, direction=direction, load_if_exists=True)
        self.storage = self.study._storage
        self.ids = {}

    def recall(self, tables):
        """Takes up the trials that the journal holds: into `tables`, without writing anything."""
        words = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
        for frozen in self.study.get_trials(deepcopy=False):
            attributes = frozen.user_attrs
            number = attributes["strata:trial"]
            self.ids[number] = frozen._trial_id
            trial = tables.start(number, dict(frozen.params), attributes["strata:seed"])
            trial.values = attributes["strata:values"]
            trial.rates = attributes.get("strata:rates", {})
            trial.reports = dict(frozen.intermediate_values)
            trial.error = attributes.get("strata:error", "")
            last = attributes.get("strata:progress")
            if last:
                trial.last = {"epoch": last["step"], "images_trained": last["images_trained"],
                              "seconds": last["seconds"], **dict(last["metrics"])}
            word = words.get(frozen.state.name, "running")
            trial.status = attributes.get("strata:status", word) if word == "failed" else word

    def start(self, trial, parameters):
        if trial.number in self.ids:
            self._attribute(trial.number, "strata:values", trial.values)
            return
        known = {p["name"]: p for p in parameters}
        values = {name: value for name, value in trial.values.items() if name in known}
        distributions = {name: distribution(known[name]) for name in values}
        # What a recorded trial has beside or outside of the space stays an attribute.
        inside = {name: value for name, value in values.items()
                  if distributions[name]._contains(distributions[name].to_internal_repr(value))}
        distributions = {name: distributions[name] for name in inside}
        frozen = self.optuna.trial.create_trial(
            state=self.optuna.trial.TrialState.RUNNING, params=inside, distributions=distributions,
            user_attrs={"strata:trial": trial.number, "strata:seed": trial.seed, "strata:values": trial.values,
                        "strata:owner": f"ray-{os.getpid()}"})
        self.ids[trial.number] = self.storage.create_new_trial(self.study._study_id, template_trial=frozen)

    def rates(self, trial):
        self._attribute(trial.number, "strata:rates", trial.rates)

    def report(self, number, line, value):
        self.storage.set_trial_intermediate_value(self.ids[number], line["epoch"], value)
        self._attribute(number, "strata:progress", progress(line))

    def end(self, trial, value):
        states = self.optuna.trial.TrialState
        identity = self.ids[trial.number]
        if self.storage.get_trial(identity).state.is_finished():
            return
        if trial.status in ("diverged", "failed"):
            self._attribute(trial.number, "strata:status", trial.status)
            if trial.error:
                self._attribute(trial.number, "strata:error", trial.error)
        state = {"complete": states.COMPLETE, "pruned": states.PRUNED}.get(trial.status, states.FAIL)
        self.storage.set_trial_state_values(identity, state=state, values=None if value is None else [value])

    def _attribute(self, number, key, value):
        identity = self.ids[number]
        if not self.storage.get_trial(identity).state.is_finished():
            self.storage.set_trial_user_attr(identity, key, value)


class Recorder:
    """Journal and tables of a study together."""

    def __init__(self, out, description, manifest, metric, direction):
        self.tables = Tables(out, description, manifest, metric, direction)
        self.journal = Journal(out, direction)
        self.journal.recall(self.tables)
        self.metric = metric

    @property
    def trials(self):
        return self.tables.trials

    def start(self, number, values, seed):
        trial = self.tables.start(number, values, seed)
        self.journal.start(trial, self.tables.parameters)
        return trial

    def rates(self, number, rates):
        trial = self.trials[number]
        if not trial.rates and rates:
            trial.rates = rates
            self.journal.rates(trial)

    def epoch(self, number, line):
        trial = self.trials[number]
        if trial.is_finished:
            return
        if self.tables.epoch(number, line):
            self.journal.report(number, line, float(line[self.metric]))

    def end(self, number, status, error=""):
        trial = self.trials[number]
        if trial.is_finished:
            return
        self.tables.end(number, status, error)
        self.journal.end(trial, self.tables.value(trial))
