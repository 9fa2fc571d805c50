"""Ray Tune's side of `ray_tune.py`: a trial as an actor, numbered configurations, the record of both.

A module of its own, so that Ray's workers import the classes by name and a resumed driver finds them again.
"""
import importlib.util
import json
import logging
import math
import os
import pickle
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
from ray import tune
from ray.tune.search import Searcher

import strata_tables
import strata_space
import strata_worker as strata

PLAN = "STRATA_PLAN"
SHIPPED = "strata-train"
CHECKPOINT = "trial.checkpoint"

# The study of this driver: what the classes below look up, as they are pickled with their state but not with this.
STUDY = None


class Study:
    """What a driver knows of its study beside Ray."""

    def __init__(self, plan, description, recorder, say):
        self.plan, self.description, self.recorder, self.say = plan, description, recorder, say
        self.parameters = description["parameters"]
        # (trial id, iteration) -> what the scheduler said and why.
        self.decisions = {}
        # Trials that were recorded before this driver began: Ray may know less of them than the journal.
        self.known = {number: (trial.values, trial.seed, trial.is_finished)
                      for number, trial in recorder.trials.items()}

    def number(self, trial):
        return trial.config["trial"]

    def values(self, config):
        """The active hyperparameters of a configuration of Ray, as a person writes them."""
        return external(self.parameters, config)


def external(parameters, config):
    """Ray's configuration as hyperparameters: levels become values, inactive ones are left out."""
    values = {}
    for parameter in parameters:
        name = parameter["name"]
        if name not in config:
            continue
        value = config[name]
        if parameter["kind"] == "categorical":
            # NumPy's scalars are no JSON.
            value = value.item() if isinstance(value, np.generic) else value
        elif strata_space.is_stepped(parameter):
            value = stepped(parameter, value)
        elif parameter["kind"] == "int":
            value = min(max(int(value), parameter["low"]), parameter["high"])
        else:
            low, high = strata_space.ends(parameter)
            value = float(min(max(value, low), high))
        values[name] = value
    return strata_space.active(parameters, values)


def stepped(parameter, value):
    """A stepped value by the number of its step; one that is written out already stays what it is."""
    if isinstance(value, float):
        steps = (value - parameter["low"]) / parameter["step"]
        if abs(steps - round(steps)) < 1e-8:
            return value
        value = round(steps)
    step = min(max(int(value), 0), strata_space.levels(parameter) - 1)
    # The last step may pass the end by rounding, as in Strata.
    return min(parameter["low"] + step * parameter["step"], parameter["high"])


def domain(parameter):
    """A parameter as a distribution of Ray."""
    kind = parameter["kind"]
    if kind == "categorical":
        return tune.choice(parameter["choices"])
    if kind == "normal":
        return tune.randn(parameter["mean"], parameter["sd"])
    if kind == "int":
        # Ray leaves out the upper end.
        draw = tune.lograndint if parameter["log"] else tune.randint
        return draw(parameter["low"], parameter["high"] + 1)
    if strata_space.is_stepped(parameter):
        # By the number of the step: Ray's quniform knows multiples of the step only.
        return tune.randint(0, strata_space.levels(parameter))
    draw = tune.loguniform if parameter["log"] else tune.uniform
    return draw(parameter["low"], parameter["high"])


def is_free(parameter):
    """Whether there is anything to search: one choice is a constant."""
    if parameter["kind"] == "categorical":
        return len(parameter["choices"]) > 1
    return not (parameter["kind"] == "float" and parameter["low"] == parameter["high"])


class StrataTrial(tune.Trainable):
    """A trial: Ray's side of one `train --worker` process, which outlives it."""

    def setup(self, config):
        self.plan = json.loads(os.environ[PLAN])
        self.folder = Path(tempfile.mkdtemp(prefix="strata-"))
        binary = self.plan["binary"] or shipped_binary()
        self.worker = strata.Worker(binary, self.plan["arguments"], self.plan["memory_bytes"])
        self.failure = None
        if self.plan["download"]:
            try:
                strata.prepare_data(binary, self.plan["arguments"], Path(tempfile.gettempdir()) / "strata-data.lock")
            except strata.WorkerFailure as failure:
                self.failure = failure
        self._forget()

    def step(self):
        try:
            if self.failure:
                raise self.failure
            return self._epoch()
        except strata.WorkerFailure as failure:
            self.run = None
            if self.retries < self.plan["retries"]:
                self.retries += 1
                self.resume = self.checkpoint or self.resume
                return self.step()
            return self._result({}, "failed", str(failure))

    def save_checkpoint(self, folder):
        # A trial that failed has nothing to go on from; Ray saves it all the same.
        if self.checkpoint:
            shutil.copyfile(self.checkpoint, Path(folder) / CHECKPOINT)

    def load_checkpoint(self, folder):
        saved = Path(folder) / CHECKPOINT
        self._end()
        self.resume = None
        if saved.exists():
            # Ray removes its copy when this returns.
            self.resume = str(self.folder / "resumed.checkpoint")
            shutil.copyfile(saved, self.resume)
        self.checkpoint = self.resume

    def reset_config(self, config):
        self._end()
        self.config = config
        self._forget()
        return True

    def cleanup(self):
        self._end()
        self.worker.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _forget(self):
        self.run = None
        self.rates = None
        self.resumed = 0
        self.resume = None
        self.checkpoint = None
        self.retries = 0

    def _end(self):
        """Ends the trial that the worker has in hand."""
        run, self.run = self.run, None
        if run is None or run.is_over:
            return
        try:
            run.stop()
        except strata.WorkerFailure:
            pass  # The worker is gone and its trial with it; the next trial starts another.

    def _epoch(self):
        if self.run is None:
            number = self.config["trial"]
            configuration = {
                "study_seed": self.plan["study_seed"], "hyperparameters": external(self.plan["parameters"], self.config),
                "groups": self.plan["groups"], "checkpoints": str(self.folder),
                "checkpoint_every": self.plan["checkpoint_every"], "report_layers": self.plan["layers"],
                **{name: self.config[name] for name in ("seed", "layer_rates", "test") if name in self.config},
                **self.config.get("settings", {}),
            }
            if "values" in self.config:
                configuration["hyperparameters"] = self.config["values"]
            if self.resume:
                configuration["resume"] = self.resume
            self.run = strata.TrialRun(self.worker, number, configuration, self.plan["timeout"], self._started)
        line = self.run.epoch()
        if line["type"] == "end":
            # It was refused, or goes on from its own end.
            self.checkpoint = line.get("checkpoint") or self.checkpoint
            return self._result(line, line["status"], line.get("message", ""), line)
        self.checkpoint = line["checkpoint"] or self.checkpoint
        if not self.run.at_end:
            return self._result(line, "running")
        end = self.run.epoch()
        if end["type"] != "end":
            raise self.worker.failure("the worker spoke on after the last epoch of its trial")
        return self._result(line, end["status"], end.get("message", ""), end)

    def _started(self, line):
        self.rates, self.resumed = line["rates"], line["epoch"]

    def _result(self, line, status, error="", end=None):
        result = {name: math.nan if line.get(name) is None else line[name]
                  for name in ("loss", "accuracy", "train_loss", "train_accuracy")}
        is_epoch = line.get("type") == "epoch"
        result.update(status=status, error=error, record=json.dumps(line) if is_epoch else "",
                      rates=json.dumps(self.rates or {}), resumed=self.resumed, done=status != "running",
                      test=json.dumps([(end or {}).get("test_loss"), (end or {}).get("test_accuracy")]))
        return result


def shipped_binary():
    """The binary that travelled here with Ray's working directory."""
    for folder in [os.getcwd(), *sys.path]:
        path = Path(folder) / SHIPPED
        if path.is_file():
            # Ray's archives do not keep the permission to execute.
            if not os.access(path, os.X_OK):
                path.chmod(0o755)
            return path
    return SHIPPED


class StudySearch(Searcher):
    """Numbers the trials of a study and gives each its configuration: a recorded one, a point of the space, or
    what another searcher of Ray suggests (none: random ones)."""

    def __init__(self, inner, domains, plan, points, replayed):
        super().__init__(metric=plan["metric"], mode=plan["mode"])
        self.inner, self.domains, self.plan = inner, domains, plan
        self.points, self.replayed = points, replayed
        self.next = 0
        self.asked = set()

    def set_search_properties(self, metric, mode, config, **spec):
        return True

    def suggest(self, trial_id):
        while self.next < self.plan["trials"]:
            number = self.next if self.replayed is None else self.replayed[self.next]["number"]
            values, seed, is_finished = STUDY.known.get(number, (None, None, False))
            if is_finished:
                self.next += 1
                continue
            config = {"trial": number}
            if self.replayed is not None:
                recorded = self.replayed[self.next]
                config.update(seed=recorded["seed"], values=recorded["values"])
                config.update({name: recorded[name] for name in ("layer_rates", "test") if name in recorded})
            elif values is not None:
                # It began before this driver did, and Ray has not heard of it.
                config.update(values)
            else:
                proposal = self._propose(number, trial_id)
                if proposal is None:
                    return None
                config.update(proposal)
            self.next += 1
            return config
        return Searcher.FINISHED

    def _propose(self, number, trial_id):
        point = self.points[number] if number < len(self.points) else None
        if self.inner is None or point is not None:
            draws = np.random.default_rng([self.plan["study_seed"], number])
            config = {name: drawn(domain, draws) for name, domain in self.domains.items()}
            return {**config, **(point or {})}
        config = self.inner.suggest(trial_id)
        if config is None or config == Searcher.FINISHED:
            return None
        self.asked.add(trial_id)
        return config

    def on_trial_result(self, trial_id, result):
        if trial_id in self.asked:
            self.inner.on_trial_result(trial_id, result)

    def on_trial_complete(self, trial_id, result=None, error=False):
        if trial_id not in self.asked:
            return
        # A trial without a value is one that the other searcher shall not learn a number from.
        is_lost = result is not None and not math.isfinite(result.get(self.plan["metric"], math.nan))
        self.inner.on_trial_complete(trial_id, None if is_lost else result, error or is_lost)

    def save(self, path):
        inner = None
        if self.inner is not None:
            self.inner.save(path + ".inner")
            inner = Path(path + ".inner").read_bytes()
        with open(path, "wb") as file:
            pickle.dump({"next": self.next, "asked": self.asked, "inner": inner}, file)

    def restore(self, path):
        with open(path, "rb") as file:
            state = pickle.load(file)
        self.next, self.asked = state["next"], state["asked"]
        if state["inner"] is not None:
            Path(path + ".inner").write_bytes(state["inner"])
            self.inner.restore(path + ".inner")


def drawn(domain, draws):
    value = domain.sample(random_state=draws)
    return value.item() if isinstance(value, np.generic) else value


# Name -> (module, class, package, settings).
SEARCHERS = {
    "random": None,
    "optuna": ("ray.tune.search.optuna", "OptunaSearch", "optuna", {}),
    "hyperopt": ("ray.tune.search.hyperopt", "HyperOptSearch", "hyperopt", {}),
    "bayesopt": ("ray.tune.search.bayesopt", "BayesOptSearch", "bayesian-optimization", {}),
    "hebo": ("ray.tune.search.hebo", "HEBOSearch", "HEBO", {}),
    "ax": ("ray.tune.search.ax", "AxSearch", "ax-platform", {}),
}
IMPORTED = {"bayesian-optimization": "bayes_opt", "HEBO": "hebo", "ax-platform": "ax"}


def inner_searcher(name, domains, plan):
    """The searcher of Ray called `name`; none for random configurations. Raises ValueError with a message."""
    entry = SEARCHERS[name]
    if entry is None:
        return None
    module, class_name, package, settings = entry
    if importlib.util.find_spec(IMPORTED.get(package, package)) is None:
        raise ValueError(f"--searcher {name} needs the package {package}: pip install {package}")
    searcher = getattr(importlib.import_module(module), class_name)
    if name == "optuna":
        # Its normal distribution is the uniform one over the range, as in Strata's journals.
        known = {p["name"]: p for p in plan["parameters"]}
        settings = {"space": {name: optuna_domain(known[name]) for name in domains}}
    seeds = {"optuna": "seed", "hyperopt": "random_state_seed", "bayesopt": "random_state", "hebo": "random_state_seed"}
    if name in seeds:
        settings = {**settings, seeds[name]: plan["study_seed"] % 2**32}
    try:
        inner = searcher(metric=plan["metric"], mode=plan["mode"], **settings)
        taken = name == "optuna" or inner.set_search_properties(plan["metric"], plan["mode"], dict(domains))
    except (ValueError, TypeError) as error:
        raise ValueError(f"--searcher {name} cannot search this space: {error}") from None
    if taken is False:
        raise ValueError(f"--searcher {name} did not take this space")
    return inner


def optuna_domain(parameter):
    from optuna.distributions import IntDistribution
    if strata_space.is_stepped(parameter):
        return IntDistribution(0, strata_space.levels(parameter) - 1)
    return strata_tables.distribution(parameter)


class Record(tune.Callback):
    """Writes what Ray reports to the study's journal and tables."""

    def on_trial_start(self, iteration, trials, trial, **info):
        self._begin(trial)

    def on_trial_restore(self, iteration, trials, trial, **info):
        self._begin(trial)

    def on_trial_result(self, iteration, trials, trial, result, **info):
        number = self._begin(trial)
        recorder = STUDY.recorder
        if result.get("resumed"):
            # For the manifest: who went on from a checkpoint, and from which epoch.
            recorder.tables.manifest["engine"].setdefault("resumed", {})[str(number)] = result["resumed"]
        recorder.rates(number, json.loads(result.get("rates") or "{}"))
        if result.get("record"):
            line = json.loads(result["record"])
            recorder.epoch(number, line)
            if line.get("loss") is not None:
                key = (trial.trial_id, result["training_iteration"])
                verdict, *grounds = STUDY.decisions.pop(key, ("finish", None, None, 0))
                recorder.tables.decision(number, line["epoch"], line[recorder.metric], verdict, *grounds)
        test = json.loads(result.get("test") or "[null, null]")
        if test[1] is not None:
            recorder.tables.test(number, *test)

    def on_trial_complete(self, iteration, trials, trial, **info):
        number = self._begin(trial)
        result = trial.last_result or {}
        status = result.get("status", "failed")
        # The scheduler ended what would have gone on.
        status = {"running": "pruned", "stopped": "pruned", "paused": "pruned"}.get(status, status)
        self._end(number, status, result.get("error", ""))

    def on_trial_error(self, iteration, trials, trial, **info):
        number = self._begin(trial)
        # Ray's own report is a traceback: its last line says what happened.
        reason = "Ray lost its actor too often"
        if trial.error_file and os.path.exists(trial.error_file):
            lines = [line.strip() for line in Path(trial.error_file).read_text().splitlines() if line.strip()]
            reason = lines[-1][:300] if lines else reason
        self._end(number, "failed", reason)

    def _begin(self, trial):
        number = STUDY.number(trial)
        values = trial.config.get("values")
        values = STUDY.values(trial.config) if values is None else values
        known = STUDY.recorder.trials.get(number)
        if known is None or (known.values != values and not known.is_finished):
            seed = trial.config.get("seed", STUDY.description["seeds"][number])
            STUDY.recorder.start(number, values, seed)
        return number

    def _end(self, number, status, error):
        trial = STUDY.recorder.trials[number]
        if trial.is_finished:
            return
        STUDY.recorder.end(number, status, error)
        STUDY.say(number)


def quiet_logs():
    for name in ("ray", "ray.tune", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
