#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["optuna>=5,<6"]
# ///
"""Run a study of `tune` by Optuna, from as many machines as there are: for those without Ray.

    python3 scripts/optuna_study.py --study FILE.toml --storage /shared/study.journal --checkpoints /shared/checkpoints \\
        --trials 100 --epochs 10 --dataset cifar10 --data-dir /shared/cifar-10-batches-bin --out results/optuna
    python3 scripts/optuna_study.py --storage mysql://user@host/study ...        # or postgresql://, sqlite:///FILE
    python3 scripts/optuna_study.py ... --export                                 # write the tables now, run nothing
    uv run scripts/optuna_study.py ...                                           # installs what it needs by itself

Start the same command as often as there are cores, on every machine that reaches the storage and the checkpoints: a
Slurm array, Kubernetes jobs, a loop over ssh. Each process takes one trial after another until --trials have ended.
Every trial is a `train --worker` process (docs/worker.md). A trial whose process is lost goes on from its last
checkpoint, as a new trial of Optuna, wherever a process is free. Flags that are not listed here go to the worker.

The process that ends the last trial writes study.journal, trials.csv, curves.csv, decisions.csv, best.json and
manifest.json into --out, which `report` and `importance` read.

Exits with status 0 when all trials have ended or others still run the last ones, 2 on an error, 130 when it was
stopped by Ctrl-C or SIGTERM: its trial goes on elsewhere at once.
"""
import argparse
import json
import os
import shlex
import signal
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
import strata_tables  # noqa: E402
import strata_space  # noqa: E402
import strata_worker as strata  # noqa: E402

SAMPLERS = ("random", "tpe", "gp", "cma-es", "qmc")
PRUNERS = ("none", "asha", "hyperband", "median")
# Attributes beside those that Strata's own journals have.
BEAT, EPOCH, CONTINUES, CONTINUED, ORIGIN, SKIPPED, VALUES = (
    "strata:beat", "strata:epoch:", "strata:continues", "strata:continued", "strata:trial", "strata:skipped",
    "strata:values")


def fail(message):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


try:
    import optuna
except ImportError as error:
    fail(f'{error}: install "optuna>=5,<6", or start this by `uv run {sys.argv[0]}`')


class Stopped(Exception):
    """Ctrl-C or SIGTERM."""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     allow_abbrev=False)
    parser.add_argument("--study", type=Path, metavar="FILE.toml", help="space file [default: that of tune]")
    parser.add_argument("--storage", required=True, help="a journal's path, or the URL of a database")
    parser.add_argument("--name", default="strata", help="name of the study in the storage [default: strata]")
    parser.add_argument("--trials", type=int, help="trials in all [default: as the preset says]")
    parser.add_argument("--metric", default="loss", help="loss or accuracy on the validation images [default: loss]")
    parser.add_argument("--sampler", default="tpe", help=f"{', '.join(SAMPLERS)} [default: tpe]")
    parser.add_argument("--pruner", default="asha", help=f"{', '.join(PRUNERS)} [default: asha]")
    parser.add_argument("--grace-period", type=int, default=1, help="epochs that every trial gets [default: 1]")
    parser.add_argument("--reduction-factor", type=int, help="one in so many goes on [default: 2; 3 with hyperband]")
    parser.add_argument("--seed", type=int, default=0, help="seed of the study [default: 0]")
    parser.add_argument("--checkpoints", type=Path, help="folder that all machines reach [default: OUT/checkpoints]")
    parser.add_argument("--dead-after", type=float, default=600,
                        help="seconds without an epoch after which a trial's process counts as lost [default: 600]")
    parser.add_argument("--epoch-timeout", type=float, default=900,
                        help="seconds without a line after which a worker counts as hung [default: 900]")
    parser.add_argument("--binary", type=Path, help="the program `train` [default: target/release/train]")
    parser.add_argument("--out", type=Path, default=Path("results/optuna"), help="folder for the tables")
    parser.add_argument("--export", action="store_true", help="write the tables of what there is, and end")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    return parser.parse_known_args()


def storage_of(text):
    from optuna.storages import JournalStorage, RDBStorage
    from optuna.storages.journal import JournalFileBackend
    if "://" in text:
        return RDBStorage(text)
    Path(text).parent.mkdir(parents=True, exist_ok=True)
    return JournalStorage(JournalFileBackend(text))


def sampler(options):
    samplers = optuna.samplers
    # Processes must not draw the same: each has a seed of its own, of its machine and number.
    seed = (options.seed * 1_000_003 + hash((os.uname().nodename, os.getpid()))) % 2**32
    if options.sampler == "tpe":
        return samplers.TPESampler(seed=seed, constant_liar=True, multivariate=False)
    makers = {"random": samplers.RandomSampler, "gp": samplers.GPSampler, "cma-es": samplers.CmaEsSampler,
              "qmc": samplers.QMCSampler}
    return makers[options.sampler](seed=seed)


def pruner(options, epochs):
    pruners = optuna.pruners
    if options.pruner == "asha":
        return pruners.SuccessiveHalvingPruner(min_resource=options.grace_period,
                                               reduction_factor=options.reduction_factor or 2)
    if options.pruner == "hyperband":
        return pruners.HyperbandPruner(min_resource=options.grace_period, max_resource=epochs,
                                       reduction_factor=options.reduction_factor or 3)
    if options.pruner == "median":
        return pruners.MedianPruner(n_warmup_steps=options.grace_period)
    return pruners.NopPruner()


def suggest(trial, parameters):
    """The active hyperparameters, asked for one after the other as the space's conditions go."""
    values = {}
    for parameter in parameters:
        name = parameter["name"]
        if name not in strata_space.active(parameters, {**values, name: None}):
            continue
        if parameter["kind"] == "categorical":
            values[name] = trial.suggest_categorical(name, parameter["choices"])
        elif parameter["kind"] == "int":
            values[name] = trial.suggest_int(name, parameter["low"], parameter["high"], log=parameter["log"])
        else:
            low, high = strata_space.ends(parameter)
            values[name] = trial.suggest_float(name, low, high, log=parameter.get("log", False),
                                               step=parameter.get("step"))
    return values


class Process:
    """This process's share of a study."""

    def __init__(self, options, passed, binary, description, study):
        self.options, self.study, self.description = options, study, description
        self.parameters = description["parameters"]
        self.trials = options.trials or description["trials"]
        self.worker = strata.Worker(binary, passed)
        self.checkpoints = (options.checkpoints or options.out / "checkpoints").resolve()
        self.current = None

    def work(self):
        while True:
            self.take_up_lost()
            trial = self.ask()
            if trial is not None:
                self.run(trial)
            elif self.others_run():
                # Should one of them be lost, it goes on here.
                time.sleep(min(1.0, self.options.dead_after))
            else:
                return

    def others_run(self):
        return any(trial.state == optuna.trial.TrialState.RUNNING for trial in self.counted())

    def counted(self):
        """Trials that count: one that another continues, or that came too many, does not."""
        return [trial for trial in self.study.get_trials(deepcopy=False)
                if CONTINUED not in trial.user_attrs and SKIPPED not in trial.user_attrs]

    def take_up_lost(self):
        """Queues the trials anew whose processes have not been heard of for too long."""
        states = optuna.trial.TrialState
        for trial in self.study.get_trials(deepcopy=False, states=(states.RUNNING,)):
            beat = trial.user_attrs.get(BEAT, trial.datetime_start.timestamp())
            if time.time() - beat <= self.options.dead_after:
                continue
            origin = trial.user_attrs.get(ORIGIN, trial.number)
            self.study._storage.set_trial_user_attr(trial._trial_id, CONTINUED, True)
            self.study._storage.set_trial_user_attr(trial._trial_id, "strata:error", "its process was lost; it goes on "
                                                    "as a later trial")
            try:
                # Of two that find it lost, one is told that it has ended already.
                self.study.tell(trial.number, state=states.FAIL)
            except (ValueError, RuntimeError):
                continue
            lines = {key: value for key, value in trial.user_attrs.items() if key.startswith(EPOCH)}
            self.study.enqueue_trial(trial.params, user_attrs={CONTINUES: trial.number, ORIGIN: origin, **lines})

    def ask(self):
        states = optuna.trial.TrialState
        counted = self.counted()
        waiting = any(trial.state == states.WAITING for trial in counted)
        if len(counted) >= self.trials and not waiting:
            return None
        trial = self.study.ask()
        before = [other for other in self.counted() if other.number < trial.number]
        if len(before) >= self.trials and CONTINUES not in trial.user_attrs:
            # Another process was faster to begin the last one.
            trial.set_user_attr(SKIPPED, True)
            self.study.tell(trial, state=states.FAIL)
            return None
        return trial

    def run(self, trial):
        options, states = self.options, optuna.trial.TrialState
        self.current = trial
        trial.set_user_attr(BEAT, time.time())
        trial.set_user_attr("strata:owner", f"optuna-{os.uname().nodename}-{os.getpid()}")
        origin = trial.user_attrs.get(ORIGIN, trial.number)
        values = suggest(trial, self.parameters)
        trial.set_user_attr(ORIGIN, origin)
        trial.set_user_attr(VALUES, values)
        lines = [value for key, value in sorted(trial.user_attrs.items()) if key.startswith(EPOCH)]
        for line in sorted(lines, key=lambda line: line["epoch"]):
            if line["loss"] is not None:
                trial.report(line[options.metric], line["epoch"])
        configuration = {"hyperparameters": values, "groups": self.description["groups"], "study_seed": options.seed,
                         "checkpoints": str(self.checkpoints), "resume": True}
        run, value, ending, reason = None, None, states.FAIL, ""
        try:
            run = strata.TrialRun(self.worker, origin, configuration, options.epoch_timeout,
                                  lambda line: trial.set_user_attr("strata:rates", line["rates"]))
            while True:
                line = run.epoch()
                if line["type"] == "end":
                    reason, value = line.get("message", ""), line.get(options.metric)
                    ending = states.COMPLETE if line["status"] == "complete" else states.FAIL
                    if line["status"] == "diverged":
                        trial.set_user_attr("strata:status", "diverged")
                    break
                trial.set_user_attr(f"{EPOCH}{line['epoch']}", {**line, "checkpoint": None})
                trial.set_user_attr(BEAT, time.time())
                if line["loss"] is None:
                    continue
                value = line[options.metric]
                trial.report(value, line["epoch"])
                trial.set_user_attr("strata:progress", strata_tables.progress(line))
                if not run.at_end and trial.should_prune():
                    run.stop()
                    ending = states.PRUNED
                    break
        except strata.WorkerFailure as failure:
            reason = str(failure)
        if reason:
            trial.set_user_attr("strata:error", reason)
        try:
            self.study.tell(trial, value if ending == states.COMPLETE else None, state=ending)
        except (ValueError, RuntimeError):
            # It counted as lost meanwhile, and goes on elsewhere: to the same values.
            ending = states.FAIL
        self.current = None
        if not options.quiet:
            shown = f"{options.metric} {value:.4g}" if ending != states.FAIL else reason
            print(f"trial {trial.number} {ending.name.lower()}" + (f", {shown}" if shown else ""), flush=True)

    def release(self):
        """The trial in hand counts as lost from now on: others need not wait for it to be missed."""
        self.worker.close()
        if self.current is not None:
            self.current.set_user_attr(BEAT, 0.0)


def export(options, description, study, manifest):
    """Tables of what the storage holds."""
    for name in ("curves.csv", "layers.csv", "decisions.csv"):
        (options.out / name).unlink(missing_ok=True)
    tables = strata_tables.Tables(options.out, description, manifest, options.metric, study.direction.name.lower())
    words = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}
    for trial in study.get_trials(deepcopy=False):
        attributes = trial.user_attrs
        if SKIPPED in attributes or CONTINUED in attributes or trial.state.name not in words:
            continue
        origin = attributes.get(ORIGIN, trial.number)
        recorded = tables.start(trial.number, attributes.get(VALUES, trial.params), description["seeds"][origin])
        recorded.rates = attributes.get("strata:rates", {})
        lines = sorted((value for key, value in attributes.items() if key.startswith(EPOCH)), key=lambda l: l["epoch"])
        for line in lines:
            tables.epoch(trial.number, line)
        ends = {"PRUNED": "stop", "COMPLETE": "finish"}
        for line in lines:
            if line["loss"] is not None:
                is_last = line is lines[-1]
                verdict = ends.get(trial.state.name, "continue") if is_last else "continue"
                tables.decision(trial.number, line["epoch"], line[options.metric], verdict)
        word = words[trial.state.name]
        status = attributes.get("strata:status", word) if word == "failed" else word
        tables.end(trial.number, status, attributes.get("strata:error", ""))
    ended = len(tables.trials)
    sentence = tables.finish("complete" if ended >= manifest["settings"]["trials"] else "stopped")
    journal = options.out / "study.journal"
    if Path(options.storage).resolve() != journal.resolve():
        part = options.out / f"study.journal.{os.getpid()}.part"
        part.unlink(missing_ok=True)
        optuna.copy_study(from_study_name=study.study_name, from_storage=study._storage,
                          to_storage=storage_of(str(part)))
        os.replace(part, journal)
    print(sentence)
    print(f"journal and tables: {options.out}")


def main():
    options, passed = arguments()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    if options.sampler not in SAMPLERS:
        fail(f"--sampler {options.sampler}: there is {', '.join(SAMPLERS)}")
    if options.pruner not in PRUNERS:
        fail(f"--pruner {options.pruner}: there is {', '.join(PRUNERS)}")
    if options.trials is not None and options.trials < 1:
        fail(f"--trials {options.trials}: must be at least 1")
    if options.study and not options.study.is_file():
        fail(f"--study {options.study}: there is no such file")
    try:
        binary = strata.find_binary(options.binary, ROOT)
        asker = strata.Worker(binary, passed)
        # More seeds than trials: lost ones get a number more.
        description = asker.describe(options.study, options.seed, 2 * (options.trials or 1000) + 1000)
        asker.close()
    except strata.WorkerFailure as failure:
        fail(str(failure).removeprefix("the worker ended with status 2: error: "))
    if options.metric not in description["metrics"]:
        fail(f"--metric {options.metric}: there is {', '.join(description['metrics'])}")
    options.out.mkdir(parents=True, exist_ok=True)
    manifest = description["manifest"]
    manifest["settings"].update(
        objective="cnn", metric=options.metric, direction=description["metrics"][options.metric], engine="optuna",
        sampler=f"optuna:{options.sampler}", scheduler=f"optuna:{options.pruner}", grace_period=options.grace_period,
        reduction_factor=options.reduction_factor, trials=options.trials or description["trials"])
    manifest["command"] = shlex.join(["optuna_study.py", *sys.argv[1:]])
    manifest["engine"] = {"name": "optuna", "version": optuna.__version__}
    try:
        study = optuna.create_study(storage=storage_of(options.storage), study_name=options.name, load_if_exists=True,
                                    direction=manifest["settings"]["direction"], sampler=sampler(options),
                                    pruner=pruner(options, description["epochs"]))
    except Exception as error:  # noqa: BLE001 - databases have errors of their own, each driver others
        fail(f"--storage {options.storage}: {str(error).splitlines()[0]}")
    same = {key: manifest["settings"][key] for key in ("dataset", "split", "net", "epochs", "space", "metric", "seed")}
    known = study.user_attrs.get("strata:settings")
    if known is None:
        study.set_user_attr("strata:settings", same)
        for point in description["points"]:
            study.enqueue_trial(point, skip_if_exists=True)
    elif json.loads(json.dumps(known)) != json.loads(json.dumps(same)):
        wrong = next(key for key in same if known.get(key) != same[key])
        fail(f"--storage {options.storage}: the study {options.name} in it has another {wrong}: use its command, or "
             "another --name")
    if options.export:
        return export(options, description, study, manifest)

    process = Process(options, passed, binary, description, study)

    def stop(*_):
        raise Stopped

    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, stop)
    try:
        process.work()
        process.worker.close()
    except Stopped:
        process.release()
        print("stopped; its trial goes on wherever the same command runs", file=sys.stderr)
        sys.exit(130)
    states = optuna.trial.TrialState
    open_ones = [trial for trial in process.counted() if trial.state in (states.RUNNING, states.WAITING)]
    if open_ones:
        print(f"{len(open_ones)} trials still run in other processes; the last of them writes the tables")
    else:
        export(options, description, study, manifest)


if __name__ == "__main__":
    main()
