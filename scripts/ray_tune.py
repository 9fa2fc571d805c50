#!/usr/bin/env python3
# /// script
# requires-python = ">=3.10"
# dependencies = ["ray[tune]==2.60.0", "optuna>=5,<6", "numpy"]
# ///
"""Run a study of `tune` on Ray: the same space file, the same trials, the same tables.

    python3 scripts/ray_tune.py --study experiments/spaces/classic.toml --trials 20 --epochs 10 --out results/ray
    python3 scripts/ray_tune.py --study FILE.toml --address auto --cpus-per-trial 1 --dataset cifar10 \\
        --data-dir /shared/cifar-10-batches-bin --storage /shared/ray --scheduler asha --searcher optuna --out results/ray
    python3 scripts/ray_tune.py ... --resume                       # after the driver was killed
    python3 scripts/ray_tune.py --replay results/tune ...          # its configurations and seeds again
    uv run scripts/ray_tune.py ...                                 # installs what it needs by itself

Every trial is a `train --worker` process (docs/worker.md) in an actor of Ray, which schedules, stops and moves
trials. Flags that are not listed here go to the worker, which has those of `tune`: --dataset, --data-dir,
--download, --train-images, --validation-images, --net, --batch-size, --optimizer, --device, --preset, ...

Writes study.journal (Optuna opens it), trials.csv, curves.csv, layers.csv, decisions.csv, best.json and
manifest.json into --out, which `report` and `importance` read. docs/scale.md says how to go from one machine to many.

Exits with status 0 when all trials have ended, 2 on an error, 130 when it was stopped: --resume goes on.
"""
import argparse
import json
import os
import shlex
import shutil
import socket
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def fail(message):
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter,
                                     allow_abbrev=False)
    study = parser.add_argument_group("study")
    study.add_argument("--study", type=Path, metavar="FILE.toml", help="space file [default: that of tune]")
    study.add_argument("--trials", type=int, help="trials in all [default: as the preset says]")
    study.add_argument("--metric", default="loss", help="loss or accuracy on the validation images [default: loss]")
    study.add_argument("--searcher", default="random", metavar="NAME",
                       help="random, optuna, hyperopt, bayesopt, hebo, ax [default: random]")
    study.add_argument("--scheduler", default="asha", metavar="NAME",
                       help="none, asha, hyperband, median, pbt [default: asha]")
    study.add_argument("--grace-period", type=int, default=1, help="epochs that every trial gets [default: 1]")
    study.add_argument("--reduction-factor", type=float, help="one in so many goes on [default: 2; 3 with hyperband]")
    study.add_argument("--brackets", type=int, default=1, help="brackets of asha [default: 1]")
    study.add_argument("--perturbation-interval", type=int, default=1, help="epochs between two of pbt [default: 1]")
    study.add_argument("--seed", type=int, default=0, help="seed of the study [default: 0]")
    study.add_argument("--replay", type=Path, metavar="DIR",
                       help="instead of searching: the configurations and seeds that trials.csv in DIR recorded")
    cluster = parser.add_argument_group("cluster")
    cluster.add_argument("--address", default="local", help="local, auto, or that of a cluster's head [default: local]")
    cluster.add_argument("--cpus-per-trial", type=float, default=1, help="[default: 1]")
    cluster.add_argument("--gpus-per-trial", type=float, default=0, help="[default: 0]")
    cluster.add_argument("--local-cpus", type=int, help="cores of --address local [default: all]")
    cluster.add_argument("--binary", type=Path, help="the program `train` here; it travels to the nodes "
                         "[default: target/release/train]")
    cluster.add_argument("--node-binary", help="path of `train` on every node, instead of one that travels")
    cluster.add_argument("--storage", help="folder or URI that all nodes reach, for checkpoints [default: OUT/ray]")
    cluster.add_argument("--checkpoint-every", type=int, default=1, help="epochs between checkpoints [default: 1]")
    cluster.add_argument("--node-failures", type=int, default=10,
                         help="how often a trial may lose its node and go on elsewhere [default: 10]")
    cluster.add_argument("--retries", type=int, default=0, help="how often a failed trial is tried again [default: 0]")
    cluster.add_argument("--epoch-timeout", type=float, default=900,
                         help="seconds without a line after which a worker counts as hung [default: 900]")
    cluster.add_argument("--memory-limit", type=float, metavar="GIB", help="address space of a worker")
    run = parser.add_argument_group("run")
    run.add_argument("--out", type=Path, default=Path("results/ray"), help="folder for journal and tables")
    run.add_argument("--resume", action="store_true", help="go on with the study in --out")
    run.add_argument("--no-layers", action="store_true", help="leave out layers.csv: shorter lines")
    run.add_argument("--quiet", action="store_true", help="no progress")
    options, rest = parser.parse_known_args()
    return options, worker_arguments(rest)


def worker_arguments(rest):
    """Flags for the worker, with a data folder that means the same from everywhere."""
    rest = list(rest)
    for place, flag in enumerate(rest):
        if flag == "--data-dir" and place + 1 < len(rest):
            rest[place + 1] = os.path.abspath(rest[place + 1])
        elif flag.startswith("--data-dir="):
            rest[place] = "--data-dir=" + os.path.abspath(flag.split("=", 1)[1])
    if not any(flag.split("=")[0] == "--data-dir" for flag in rest) and "STRATA_DATA" in os.environ:
        rest += ["--data-dir", os.path.abspath(os.environ["STRATA_DATA"])]
    return rest


def check(options):
    for name in ("trials", "grace_period", "brackets", "perturbation_interval", "checkpoint_every"):
        value = getattr(options, name)
        if value is not None and value < 1:
            fail(f"--{name.replace('_', '-')} {value}: must be at least 1")
    if options.searcher not in strata_ray.SEARCHERS:
        fail(f"--searcher {options.searcher}: there is {', '.join(strata_ray.SEARCHERS)}")
    if options.scheduler not in strata_ray_schedulers.SCHEDULERS:
        fail(f"--scheduler {options.scheduler}: there is {', '.join(strata_ray_schedulers.SCHEDULERS)}")
    if options.scheduler == "pbt" and options.searcher != "random":
        fail(f"--searcher {options.searcher}: pbt moves the hyperparameters itself; leave the searcher out")
    if options.study and not options.study.is_file():
        fail(f"--study {options.study}: there is no such file")
    has_run = (options.out / "manifest.json").exists()
    if has_run and not options.resume:
        fail(f"--out {options.out} holds a run already: go on with it by --resume, or choose another folder")
    if options.resume and not has_run:
        fail(f"--out {options.out} holds no run: there is nothing to --resume")


def ship(options, binary, folder):
    """The folder that travels to the nodes: these modules, and the binary unless the nodes have one."""
    for name in ("strata_worker.py", "strata_space.py", "strata_tables.py", "strata_ray.py"):
        shutil.copy(ROOT / "scripts" / name, folder)
    if not options.node_binary:
        shutil.copy(binary, folder / strata_ray.SHIPPED)


def settings(options, description):
    """What the run depends on, as its manifest records it and a resumption compares it."""
    chosen = description["manifest"]["settings"]
    chosen.update(
        objective="cnn", metric=options.metric, direction=description["metrics"][options.metric],
        engine="ray", sampler=f"ray:{options.searcher}",
        scheduler=f"ray:{options.scheduler}", grace_period=options.grace_period,
        reduction_factor=options.reduction_factor, brackets=options.brackets,
        perturbation_interval=options.perturbation_interval, seed=options.seed)
    return chosen


def recorded_manifest(options, description):
    """The manifest of the run that is replayed: what `tune --resume` and `layer_lr --resume` compare with theirs."""
    path = options.replay / "manifest.json"
    if not path.is_file():
        fail(f"--replay {options.replay}: there is no manifest.json")
    recorded = json.loads(path.read_text())
    ours, theirs = description["manifest"]["settings"], recorded["settings"]
    for key in sorted(ours.keys() & theirs.keys() - {"space"}):
        if ours[key] != theirs[key]:
            fail(f"--replay: the run in {options.replay} has {key} = {json.dumps(theirs[key])}, not "
                 f"{json.dumps(ours[key])}: give the flags that it had")
    return recorded


def unchanged(old, new):
    for key in sorted(old.keys() | new.keys()):
        if old.get(key) != new.get(key):
            fail(f"--resume: the run in --out has {key} = {json.dumps(old.get(key))}, not {json.dumps(new.get(key))}: "
                 "use its command, or another folder")


def main():
    options, passed = arguments()
    check(options)
    try:
        binary = strata.find_binary(options.binary, ROOT)
        asker = strata.Worker(binary, passed)
        description = asker.describe(options.study, options.seed, options.trials or 1000)
        asker.close()
        replayed = strata_tables.recorded_trials(options.replay, description["parameters"]) if options.replay else None
    except (strata.WorkerFailure, ValueError) as failure:
        # What the worker says of its command line is said of ours.
        fail(str(failure).removeprefix("the worker ended with status 2: error: "))
    recorded = recorded_manifest(options, description) if options.replay else None
    if recorded is not None:
        # Runs of layer_lr have no choice: they compare accuracies.
        options.metric = recorded["settings"].get("metric", "accuracy")
    if options.metric not in description["metrics"]:
        fail(f"--metric {options.metric}: there is {', '.join(description['metrics'])}")
    trials = len(replayed) if replayed is not None else options.trials or description["trials"]
    options.epochs = description["epochs"]
    if options.grace_period > options.epochs:
        fail(f"--grace-period {options.grace_period}: trials have {options.epochs} epochs")
    direction = description["metrics"][options.metric]
    plan = {
        "binary": options.node_binary, "arguments": passed, "study_seed": options.seed, "trials": trials,
        "parameters": description["parameters"], "groups": description["groups"], "metric": options.metric,
        "mode": "min" if direction == "minimize" else "max", "timeout": options.epoch_timeout,
        "checkpoint_every": 1 if options.scheduler in ("pbt", "hyperband") else options.checkpoint_every,
        "layers": not options.no_layers, "retries": options.retries, "download": "--download" in passed,
        "memory_bytes": int(options.memory_limit * 2**30) if options.memory_limit else None,
    }
    domains = {p["name"]: strata_ray.domain(p) for p in description["parameters"] if strata_ray.is_free(p)}
    constants = {p["name"]: (p["choices"][0] if p["kind"] == "categorical" else p["low"])
                 for p in description["parameters"] if not strata_ray.is_free(p)}
    try:
        inner = strata_ray.inner_searcher(options.searcher, domains, plan) if replayed is None else None
    except ValueError as error:
        fail(str(error))

    manifest = description["manifest"]
    manifest["settings"] = settings(options, description) if recorded is None else recorded["settings"]
    if recorded is not None:
        manifest.update(experiment=recorded["experiment"], preset=recorded.get("preset"))
    manifest["command"] = shlex.join(["ray_tune.py", *sys.argv[1:]])
    manifest["engine"] = {"name": "ray", "version": ray.__version__, "cpus_per_trial": options.cpus_per_trial,
                          "gpus_per_trial": options.gpus_per_trial}
    if options.resume:
        before = json.loads((options.out / "manifest.json").read_text())
        unchanged(before["settings"], manifest["settings"])
        manifest["wall_seconds"] = before.get("wall_seconds", 0.0)
    recorder = strata_tables.Recorder(options.out, description, manifest, options.metric, direction)
    arms(recorder, replayed)

    def say(number):
        if options.quiet:
            return
        trial = recorder.trials[number]
        value = recorder.tables.value(trial)
        shown = f"{options.metric} {value:.4g}" if value is not None else trial.error
        ended = sum(trial.is_finished for trial in recorder.trials.values())
        print(f"{ended}/{trials}: trial {number} {trial.status} after {(trial.last or {}).get('epoch', 0)} epochs"
              + (f", {shown}" if shown else ""), flush=True)

    strata_ray.STUDY = strata_ray.Study(plan, description, recorder, say)
    with tempfile.TemporaryDirectory() as shipped:
        ship(options, binary, Path(shipped))
        run(options, plan, Path(shipped), lambda: strata_ray.StudySearch(inner, domains, plan, description["points"], replayed),
            strata_ray_schedulers.scheduler(options.scheduler, options, description["parameters"]), constants)
    ended = sum(trial.is_finished for trial in recorder.trials.values())
    # What a scheduler had paused and never called up again has been stopped by it.
    if ended < trials == len(recorder.trials) and options.scheduler == "hyperband":
        for number, trial in recorder.trials.items():
            recorder.end(number, "pruned")
        ended = trials
    print(recorder.tables.finish("complete" if ended == trials else "stopped"))
    print(f"journal and tables: {options.out}")
    sys.exit(0 if ended == trials else 130)


def arms(recorder, replayed):
    """Trials of `layer_lr` keep their arm and phase."""
    if not replayed or "hp.phase" not in replayed[0]["row"]:
        return
    header = list(replayed[0]["row"])
    rows = {recorded["number"]: recorded["row"] for recorded in replayed}
    recorder.tables.extra_columns = [name[3:] for name in header if name.startswith("hp.")]
    recorder.tables.dropped_columns = [p["name"] for p in recorder.tables.parameters]
    original = recorder.start

    def start(number, values, seed):
        trial = original(number, values, seed)
        row = rows[number]
        trial.arm, trial.replicate = row["arm"], int(row["replicate"])
        trial.extra = {name[3:]: text for name, text in row.items() if name.startswith("hp.") and text}
        return trial

    recorder.start = start


def run(options, plan, shipped, searcher, chosen, constants):
    environment = {"working_dir": str(shipped), "env_vars": {strata_ray.PLAN: json.dumps(plan)}}
    resources = {"num_cpus": options.local_cpus} if options.address == "local" else {"address": options.address}
    host, _, port = options.address.rpartition(":")
    if host and port.isdigit() and "//" not in host:
        # Ray would try for minutes.
        try:
            socket.create_connection((host, int(port)), timeout=10).close()
        except OSError as error:
            fail(f"--address {options.address}: {error.strerror or error}")
    try:
        ray.init(runtime_env=environment, include_dashboard=False if options.address == "local" else None,
                 log_to_driver=False, logging_level="ERROR", **resources)
    except (ConnectionError, RuntimeError, ValueError) as error:
        fail(f"--address {options.address}: {error}")
    strata_ray.quiet_logs()
    if options.scheduler in ("hyperband", "pbt"):
        # Brackets and populations fill only if their trials are there at once, running or not.
        os.environ.setdefault("TUNE_MAX_PENDING_TRIALS_PG", str(plan["trials"]))
    storage = options.storage or str((options.out / "ray").resolve())
    trainable = tune.with_resources(strata_ray.StrataTrial,
                                    {"cpu": options.cpus_per_trial, "gpu": options.gpus_per_trial})
    path = f"{storage.rstrip('/')}/study"
    if options.resume and tune.Tuner.can_restore(path):
        tuner = tune.Tuner.restore(path, trainable, resume_unfinished=True, resume_errored=True,
                                   param_space=constants)
    else:
        tuner = tune.Tuner(
            trainable, param_space=constants,
            tune_config=tune.TuneConfig(metric=plan["metric"], mode=plan["mode"], search_alg=searcher(),
                                        scheduler=chosen, num_samples=-1, reuse_actors=True),
            run_config=tune.RunConfig(
                name="study", storage_path=storage, verbose=0, callbacks=[strata_ray.Record()],
                failure_config=tune.FailureConfig(max_failures=options.node_failures),
                checkpoint_config=tune.CheckpointConfig(num_to_keep=2, checkpoint_frequency=plan["checkpoint_every"])))
    tuner.fit()


# Ray reads these when it is imported.
os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", "5")
os.environ.setdefault("TUNE_PRINT_ALL_TRIAL_ERRORS", "0")
os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
sys.path.insert(0, str(ROOT / "scripts"))
try:
    import optuna  # noqa: F401
    import ray
    from ray import tune
except ImportError as error:
    fail(f'{error}: install "ray[tune]==2.60.0" and "optuna>=5,<6", or start this by `uv run {sys.argv[0]}`')
import strata_ray  # noqa: E402
import strata_ray_schedulers  # noqa: E402
import strata_tables  # noqa: E402
import strata_worker as strata  # noqa: E402

if __name__ == "__main__":
    main()
