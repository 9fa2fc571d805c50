#!/usr/bin/env python3
"""Runs studies on Ray and checks what docs/scale.md promises.

    python3 scripts/check_ray.py equal [--data-dir DIR] [--small]   # the same values, tables and verdicts as tune
    python3 scripts/check_ray.py failures                           # workers that print rubbish, die, hang, ...
    python3 scripts/check_ray.py kill-node                          # a simulated cluster of 3 nodes loses one
    python3 scripts/check_ray.py kill-driver                        # the driver is killed and the study resumed
    python3 scripts/check_ray.py overhead [--trials 20]             # what driver and worker add to a trial
    python3 scripts/check_ray.py capacity                           # bytes and reports a second, for docs/scale.md
    python3 scripts/check_ray.py searchers                          # every searcher and scheduler finishes a study
    python3 scripts/check_ray.py optuna                             # optuna_study.py: processes, one of them killed
    python3 scripts/check_ray.py mistakes                           # one clear error each, status 2
    python3 scripts/check_ray.py all

Needs "ray[tune]", Optuna and the binaries of `cargo build --release`. Exits with status 1 if anything differs.
"""
import argparse
import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = ROOT / "target/release"
FAKE = ROOT / "scripts/fake_worker.py"
FAILED = []


def expect(condition, what):
    print(f"  {'ok   ' if condition else 'WRONG'} {what}", flush=True)
    if not condition:
        FAILED.append(what)


def run(command, environment=None, check=True):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False,
                          env={**os.environ, **(environment or {})})
    if check and done.returncode:
        sys.exit(f"{' '.join(map(str, command))}\nended with status {done.returncode}:\n{done.stdout}{done.stderr}")
    return done


def ray_tune(*flags):
    return [sys.executable, ROOT / "scripts/ray_tune.py", *flags]


def table(path, but=("seconds",)):
    with open(path, newline="") as file:
        return [{k: v for k, v in row.items() if k not in but} for row in csv.DictReader(file)]


def bits(text):
    """A field by the bits of its number: of two shortest texts for one number, Rust and Python may choose either."""
    if re.fullmatch(r"-?\d+", text):
        return text
    try:
        return float(text).hex()
    except ValueError:
        return text


def rows_by_bits(path):
    return sorted(repr(sorted((name, bits(text)) for name, text in row.items())) for row in table(path))


def same_tables(a, b, names):
    for name in names:
        ours, theirs = rows_by_bits(a / name), rows_by_bits(b / name)
        expect(len(ours) > 0 and ours == theirs, f"{name}: {len(ours)} rows, the same bit for bit")


def equal(options, folder):
    """`tune` and Ray give the same trials the same values, and readers the same verdicts."""
    data = ["--dataset", "synthetic"]
    if options.data_dir:
        data = ["--dataset", "cifar10", "--data-dir", options.data_dir]
    images, validation, epochs = (400, 200, 2) if options.small else (2000, 500, 4)
    flags = [*data, "--train-images", images, "--validation-images", validation, "--epochs", epochs]
    trials = 10 if options.small else 16
    studies = [("classic", ROOT / "experiments/spaces/classic.toml"),
               ("per layer", ROOT / "experiments/spaces/layer_rates.toml")]
    for name, space in studies:
        print(f"{name}: {trials} trials by tune, and their configurations and seeds on Ray", flush=True)
        ours, theirs = folder / f"{name}-tune", folder / f"{name}-ray"
        command = [BIN / "tune", "--space", space, "--trials", trials, "--scheduler", "none", "--no-test", "--quiet", *flags]
        run([*command, "--out", ours])
        run(ray_tune("--study", space, "--replay", ours, "--scheduler", "none", "--out", theirs, "--quiet", *flags))
        same_tables(ours, theirs, ["trials.csv", "curves.csv", "layers.csv"])
        expect(json.loads((ours / "best.json").read_text()) == json.loads((theirs / "best.json").read_text()),
               "best.json: the same verdict")
        for each in (ours, theirs):
            run([BIN / "importance", "--journal", each / "study.journal", "--out", each / "importance"])
        same_tables(ours / "importance", theirs / "importance", ["importance.csv", "ranks.csv"])
        run([BIN / "report", theirs, "--out", folder / f"{name}-report"])
        expect((folder / f"{name}-report/report.html").stat().st_size > 1000, "report draws its page from Ray's tables")
        # The strictest reader: tune itself takes the study for its own, and concludes from the journal.
        run([*command, "--out", theirs, "--resume"])
        same_tables(ours, theirs, ["trials.csv", "curves.csv", "layers.csv"])
        expect(json.loads((ours / "best.json").read_text()) == json.loads((theirs / "best.json").read_text())
               and (theirs / "summary.md").exists(), "tune --resume reads Ray's journal and comes to the same verdict")
    searches, trials, retrains = (2, 2, 2) if options.small else (2, 4, 3)
    print(f"layer_lr, global and free: {searches} searches of {trials} trials, {retrains} retrains, on Ray again", flush=True)
    ours, theirs = folder / "arms", folder / "arms-ray"
    command = [BIN / "layer_lr", "--arms", "global,free", "--no-follow-ups", "--searches", searches, "--trials", trials,
               "--retrains", retrains, "--batch-size", 50, "--quiet", *flags]
    run([*command, "--out", ours])
    run(ray_tune("--replay", ours, "--scheduler", "none", "--out", theirs, "--quiet", "--batch-size", 50, *flags))
    same_tables(ours, theirs, ["trials.csv", "curves.csv"])
    run([*command, "--out", theirs, "--resume"])
    verdicts = [json.loads((each / "verdict.json").read_text()) for each in (ours, theirs)]
    expect(timeless(verdicts[0]) == timeless(verdicts[1]), "layer_lr reads Ray's trials.csv and comes to the same verdict")


def timeless(value):
    """A verdict without what depends on the clock."""
    if isinstance(value, dict):
        return {key: timeless(entry) for key, entry in value.items() if "seconds" not in key and key != "command"}
    return [timeless(entry) for entry in value] if isinstance(value, list) else value


SYNTHETIC = ["--dataset", "synthetic", "--train-images", 300, "--validation-images", 100]


def faulty(**wishes):
    return {"STRATA_FAKE": json.dumps(wishes), "STRATA_REAL": str(BIN / "train")}


def failures(options, folder):
    """A worker that goes wrong is one failed trial with its reason; the study goes on."""
    faults = {"1": "rubbish", "2": "die", "3": "kill", "4": "hang", "5": "memory", "6": "wrong"}
    reasons = {1: "no line of the protocol: 'Illegal instruction", 2: "status 3: cannot find the cheese",
               3: "SIGKILL (as the system does when memory runs out)", 4: "hung: no line for 8 s",
               5: "MemoryError", 6: "no proper epoch"}
    out = folder / "failures"
    print("9 trials, 6 of them with a worker that goes wrong in its second epoch", flush=True)
    run(ray_tune("--trials", 9, "--binary", FAKE, "--epoch-timeout", 8, "--memory-limit", 1, "--scheduler", "none",
                 "--out", out, "--quiet", *SYNTHETIC), faulty(faults=faults, epochs=2))
    rows = {int(row["trial"]): row for row in table(out / "trials.csv")}
    for number in range(9):
        row = rows[number]
        if number in reasons:
            expect(row["status"] == "failed" and reasons[number] in row["error"] and row["epochs_run"] == "1",
                   f"trial {number}, {faults[str(number)]}: {row['status']}: {row['error']}")
        else:
            expect(row["status"] == "complete", f"trial {number}: {row['status']}")
    study = study_in(out)
    said = [trial.user_attrs.get("strata:error", "") for trial in study.trials if trial.state.name == "FAIL"]
    expect(len(said) == 6 and all(said), "the journal has the reasons too")
    out = folder / "missing"
    run(ray_tune("--trials", 2, "--node-binary", "/nowhere/train", "--scheduler", "none", "--out", out, "--quiet",
                 *SYNTHETIC))
    rows = table(out / "trials.csv")
    expect(all(row["status"] == "failed" and "/nowhere/train" in row["error"] for row in rows),
           f"nodes without the binary: {rows[0]['error']}")


def study_in(out, name="strata", storage=None):
    """The study of a run's journal, or of a storage, as Optuna opens it."""
    import optuna
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    path = out / "study.journal" if out.is_dir() else out
    storage = storage or optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
    return optuna.load_study(study_name=name, storage=storage)


def wait_for(condition, seconds, process=None):
    begun = time.monotonic()
    while not condition():
        if process is not None and process.poll() is not None:
            sys.exit(f"the driver ended with status {process.returncode} before it should")
        if time.monotonic() - begun > seconds:
            sys.exit("what was waited for did not happen")
        time.sleep(0.1)


def start(log, command):
    """A driver in a process group of its own; what it says, and Ray's report of dead nodes, goes to `log`."""
    with open(log, "a") as file:
        return subprocess.Popen([str(part) for part in command], stdout=file, stderr=file, start_new_session=True)


def finished_in(out):
    """Rows of finished trials in the tables of a running study."""
    try:
        return {row["trial"]: row for row in table(out / "trials.csv")}
    except OSError:
        return {}


def epochs_in(out):
    """Epochs in curves.csv, by trial, in the order in which they were written."""
    epochs = {}
    try:
        for row in table(out / "curves.csv"):
            if row["split"] == "validation":
                epochs.setdefault(int(row["trial"]), []).append(int(row["step"]))
    except (OSError, ValueError, TypeError):
        pass
    return epochs


def kill_node(options, folder):
    """On three nodes, one is killed: what had finished stays, what ran on it goes on from its last checkpoint."""
    from ray.cluster_utils import Cluster
    space = folder / "space.toml"
    space.write_text("[space]\nlr = { loguniform = [1e-3, 1e-1] }\n")
    # A trial takes about 10 seconds: long enough to be hit in the middle.
    flags = ["--study", space, "--trials", 8, "--scheduler", "none", "--dataset", "synthetic", "--train-images", 2500,
             "--validation-images", 200, "--batch-size", 4, "--epochs", 12]
    straight = folder / "straight"
    print("8 trials on three nodes of one core; the same on one node for comparison", flush=True)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=1), cluster.add_node(num_cpus=1)]
        cluster.wait_for_nodes()
        out = folder / "killed"
        driver = start(folder / "driver.log", ray_tune("--address", cluster.address, "--out", out, *flags))
        # Until all three have trials in the middle, and some trial has finished.
        wait_for(lambda: len(finished_in(out)) >= 1 and sum(len(e) >= 2 for e in epochs_in(out).values()) >= 4, 240, driver)
        before, running = finished_in(out), epochs_in(out)
        killed_at = time.monotonic()
        cluster.remove_node(nodes[0], allow_graceful=False)
        print(f"  killed a node with {len(before)} trials finished, {len(running) - len(before)} in the middle", flush=True)
        status = driver.wait(timeout=500)
        print(f"  the study went on for {time.monotonic() - killed_at:.0f} s", flush=True)
        expect(status == 0, f"the driver ended with status {status}")
    finally:
        cluster.shutdown()
    after = finished_in(out)
    expect(len(after) == 8 and all(row["status"] == "complete" for row in after.values()), f"{len(after)} trials complete")
    expect(all(after.get(number) == row for number, row in before.items()), "finished trials stayed as they were")
    run(ray_tune("--out", straight, "--quiet", *flags))
    same_tables(straight, out, ["trials.csv", "curves.csv", "layers.csv"])
    log = json.loads((out / "manifest.json").read_text())["engine"]
    moved = log.get("resumed", {})
    expect(len(moved) >= 1, f"trials that went on elsewhere, with the epoch they had reached: {moved}")
    expect(all(epoch >= 1 for epoch in moved.values()), "each from a checkpoint, not from its beginning")


def kill_driver(options, folder):
    """The driver is killed with SIGKILL, twice; --resume finishes the study."""
    space = folder / "space.toml"
    space.write_text("[space]\nlr = { loguniform = [1e-3, 1e-1] }\n")
    flags = ["--study", space, "--trials", 8, "--scheduler", "none", "--dataset", "synthetic", "--train-images", 1500,
             "--validation-images", 200, "--batch-size", 4, "--epochs", 10, "--local-cpus", 2]
    out, straight = folder / "resumed", folder / "unkilled"
    print("8 trials; the driver is killed twice, and the study resumed", flush=True)
    before = {}
    for kill, wanted in ((1, 1), (2, 4)):
        resume = ["--resume"] if kill > 1 else []
        driver = start(folder / "driver.log", ray_tune("--out", out, *flags, *resume))
        wait_for(lambda: len(finished_in(out)) >= wanted, 240, driver)
        before = finished_in(out)
        os.killpg(driver.pid, signal.SIGKILL)
        driver.wait()
        print(f"  killed with {len(before)} trials finished", flush=True)
    done = run(ray_tune("--out", out, *flags, "--resume"), check=False)
    expect(done.returncode == 0, f"the resumed driver ended with status {done.returncode}")
    after = finished_in(out)
    expect(all(after.get(number) == row for number, row in before.items()), "finished trials stayed as they were")
    run(ray_tune("--out", straight, "--quiet", *flags))
    same_tables(straight, out, ["trials.csv", "curves.csv", "layers.csv"])


def overhead(options, folder):
    """What driver and worker add to the seconds that trials train, one at a time with reused actors."""
    def added(name, flags, environment=None):
        out = folder / name
        run(ray_tune("--trials", trials, "--scheduler", "none", "--local-cpus", 1, "--out", out, "--quiet", *flags),
            environment)
        rows = {int(row["trial"]): row for row in table(out / "trials.csv", ())}
        ends = sorted((trial.datetime_complete, trial.user_attrs["strata:trial"]) for trial in study_in(out).trials)
        order = [number for _, number in ends]
        # From the end of the first trial to that of the last: starting Ray and loading data once is no trial's cost.
        trained = sum(float(rows[number]["seconds"]) for number in order[1:])
        wall = (ends[-1][0] - ends[0][0]).total_seconds()
        each = (wall - trained) / (len(order) - 1)
        return each, trained / (len(order) - 1), (wall - trained) / trained

    trials = options.trials
    print(f"{trials} short trials of the real worker, one after the other", flush=True)
    each, trained, _ = added("short", ["--epochs", 1, *SYNTHETIC])
    expect(each <= 0.3, f"overhead {each:.3f} s a trial (1 epoch, {trained:.3f} s of training)")
    each, trained, _ = added("ten", ["--epochs", 10, *SYNTHETIC])
    print(f"        overhead {each:.3f} s a trial of 10 epochs ({trained:.3f} s of training)", flush=True)
    trials = 4
    print(f"{trials} trials of 20 s in 10 epochs", flush=True)
    _, trained, share = added("long", ["--binary", FAKE, *SYNTHETIC], faulty(seconds=2.0, epochs=10))
    expect(share <= 0.05, f"overhead {100 * share:.1f} % of trials of {trained:.1f} s")


def capacity(options, folder):
    """What one driver can carry: the numbers of docs/scale.md."""
    sys.path.insert(0, str(ROOT / "scripts"))
    import strata_tables
    import strata_worker as strata
    saved = folder / "checkpoints"
    for layers in (False, True):
        line = json.dumps({"epochs": 10, "report_layers": layers, "checkpoints": str(saved)})
        done = subprocess.run([BIN / "train", "--worker", *map(str, SYNTHETIC), "--batch-size", "20"], input=line,
                              capture_output=True, text=True, check=True)
        sizes = [len(text) for text in done.stdout.splitlines() if '"type":"epoch"' in text]
        print(f"        {sum(sizes) / len(sizes):.0f} bytes a line of an epoch {'with' if layers else 'without'} layers")
    sizes = [path.stat().st_size for path in saved.iterdir()]
    print(f"        {max(sizes):,} bytes a checkpoint of the tutorial net", flush=True)
    worker = strata.Worker(BIN / "train", [str(flag) for flag in SYNTHETIC])
    description = worker.describe(trials=200)
    worker.close()
    recorder = strata_tables.Recorder(folder / "recorded", description, description["manifest"], "loss", "minimize")
    begun, reports = time.perf_counter(), 0
    for number in range(200):
        recorder.start(number, {"l1": 16, "l2": 16, "lr": 0.01, "batch_size": 4}, description["seeds"][number])
        for epoch in range(1, 11):
            recorder.epoch(number, {"epoch": epoch, "steps": epoch, "loss": 1.0 / 3, "accuracy": 0.1, "train_loss": 2.0 / 3,
                                    "train_accuracy": 0.1, "images_trained": epoch, "seconds": 1.0 * epoch})
            reports += 1
        recorder.end(number, "complete")
    seconds = time.perf_counter() - begun
    size = (folder / "recorded/study.journal").stat().st_size
    print(f"        {1000 * seconds / reports:.2f} ms to record a report, {size / reports:.0f} bytes of journal each", flush=True)
    for cores in (2, 8):
        out = folder / f"fast-{cores}"
        run(ray_tune("--trials", 60, "--scheduler", "none", "--local-cpus", cores, "--binary", FAKE, "--out", out, "--quiet",
                     "--epochs", 20, *SYNTHETIC), faulty(epochs=20))
        ends = sorted(trial.datetime_complete for trial in study_in(out).trials)
        rate = 20 * (len(ends) - cores) / (ends[-1] - ends[cores - 1]).total_seconds()
        print(f"        {rate:.0f} reports a second through Ray with {cores} trials at a time that train nothing", flush=True)


def searchers(options, folder):
    """Every scheduler, and every searcher that is installed, finishes a study."""
    space = folder / "mixed.toml"
    space.write_text('[space]\noptimizer = { choice = ["sgd", "adamw"] }\nlr = { loguniform = [1e-3, 1e-1] }\n'
                     'momentum = { quniform = [0.1, 0.9, 0.2], when = { optimizer = "sgd" } }\n'
                     'l1 = { lograndint = [8, 65] }\nbatch_size = { randint = [8, 17] }\n'
                     'init_scale = { normal = [1.0, 0.05] }\nnesterov = false\n'
                     '[[points]]\nlr = 0.02\noptimizer = "sgd"\nmomentum = 0.7\n')
    simple = folder / "simple.toml"
    simple.write_text("[space]\nlr = { uniform = [1e-3, 1e-1] }\nmomentum = { uniform = [0.0, 0.9] }\n")
    for searcher, scheduler, study in (("random", "asha", space), ("random", "hyperband", space), ("random", "pbt", space),
                                       ("random", "median", space), ("optuna", "asha", space), ("hyperopt", "none", space),
                                       ("bayesopt", "none", simple)):
        out = folder / f"{searcher}-{scheduler}"
        done = run(ray_tune("--study", study, "--trials", 8, "--searcher", searcher, "--scheduler", scheduler, "--epochs", 9,
                            "--out", out, *SYNTHETIC), check=False)
        if done.returncode == 2 and "needs the package" in done.stderr:
            print(f"        {done.stderr.strip()}", flush=True)
            continue
        rows = table(out / "trials.csv") if (out / "trials.csv").exists() else []
        words = [row["status"] for row in rows]
        counted = ", ".join(f"{words.count(word)} {word}" for word in sorted(set(words)))
        decisions = [row["decision"] for row in table(out / "decisions.csv")] if rows else []
        expect(done.returncode == 0 and len(rows) == 8 and "failed" not in words,
               f"{searcher}, {scheduler}: {counted}; {len(decisions)} decisions, {decisions.count('stop')} stops, "
               f"{decisions.count('pause')} pauses")
        if done.returncode:
            print(done.stdout[-2000:], done.stderr[-2000:])
        if study == space and rows:
            first = rows[0]
            # pbt has changed it meanwhile.
            expect(scheduler == "pbt" or (first["hp.lr"], first["hp.momentum"]) == ("0.02", "0.7"), "its point came first")
            idle = [row for row in rows if row["hp.optimizer"] == "adamw" and row["hp.momentum"]]
            expect(not idle, "momentum exists with sgd only")


def optuna_processes(options, folder):
    """Processes that share a study by its storage; one is killed, and its trial goes on elsewhere."""
    flags = ["--dataset", "synthetic", "--train-images", 2500, "--validation-images", 100, "--batch-size", 4, "--epochs", 8]
    space = folder / "space.toml"
    space.write_text('[space]\noptimizer = { choice = ["sgd", "adamw"] }\nlr = { loguniform = [1e-3, 1e-1] }\n'
                     'momentum = { quniform = [0.1, 0.9, 0.2], when = { optimizer = "sgd" } }\n'
                     '[[points]]\nlr = 0.02\noptimizer = "sgd"\nmomentum = 0.7\n')
    for name, storage, pruner in (("journal", folder / "shared.journal", "none"),
                                  ("database", f"sqlite:///{folder}/shared.db", "asha")):
        out = folder / name
        command = [str(part) for part in (
            sys.executable, ROOT / "scripts/optuna_study.py", "--study", space, "--storage", storage, "--trials", 8,
            "--pruner", pruner, "--dead-after", 4, "--out", out, *flags)]
        print(f"{name}, pruner {pruner}: two processes, one of them killed", flush=True)
        processes = [start(folder / f"{name}-{index}.log", command) for index in range(2)]
        kept = storage if name == "database" else None

        def in_the_middle():
            try:
                trials = study_in(folder / "shared.journal", storage=kept).trials
            except KeyError:
                return False
            mine = [t for t in trials if t.user_attrs.get("strata:owner", "").endswith(f"-{processes[0].pid}")]
            return any(t.state.name == "RUNNING" and len(t.intermediate_values) in (2, 3, 4) for t in mine)

        wait_for(in_the_middle, 120, processes[1])
        os.killpg(processes[0].pid, signal.SIGKILL)
        processes[0].wait()
        status = processes[1].wait(timeout=400)
        run([*command, "--export"])
        rows = table(out / "trials.csv")
        words = [row["status"] for row in rows]
        expect(status == 0 and len(rows) == 8 and set(words) <= {"complete", "pruned"},
               f"8 trials: {words.count('complete')} complete, {words.count('pruned')} pruned")
        study = study_in(out, "strata")
        moved = [trial.user_attrs["strata:continues"] for trial in study.trials if "strata:continues" in trial.user_attrs]
        expect(moved, f"trials of the killed process that went on elsewhere: {moved}")
        worker = [BIN / "train", "--worker", *flags]
        for row in rows:
            trial = study.trials[int(row["trial"])]
            line = json.dumps({"hyperparameters": trial.user_attrs["strata:values"], "seed": int(row["seed"])})
            done = subprocess.run([str(part) for part in worker], input=line, capture_output=True, text=True, check=True)
            lines = [json.loads(text) for text in done.stdout.splitlines()]
            straight = [each["loss"] for each in lines if each["type"] == "epoch"][int(row["epochs_run"]) - 1]
            if straight.hex() != float(row["value"]).hex():
                expect(False, f"trial {row['trial']} has {row['value']}, and run alone {straight}")
        print("        compared with each trial run alone, bit for bit", flush=True)
        run([BIN / "report", out, "--out", folder / f"{name}-report"])


def mistakes(options, folder):
    """What a user gets wrong: one clear error, status 2."""
    broken = folder / "broken.toml"
    broken.write_text("[space]\nlr = { loguniform = [0, 1] }\n")
    strange = folder / "strange.toml"
    strange.write_text("[space]\ndropout = { uniform = [0.0, 1.0] }\n")
    for flags, wanted in (
        (["--study", folder / "none.toml"], ["--study", "none.toml"]),
        (["--study", broken], ["line 2", "lr", "loguniform"]),
        (["--study", strange], ["dropout", "batch_size"]),
        (["--binary", folder / "none"], ["--binary", "cargo build"]),
        (["--data-dir", folder / "nowhere", "--dataset", "cifar10"], ["nowhere", "--data-dir"]),
        (["--searcher", "oracle"], ["--searcher oracle", "optuna"]),
        (["--scheduler", "halving"], ["--scheduler halving", "asha"]),
        (["--metric", "f1"], ["--metric f1", "accuracy"]),
        (["--epoch", "3"], ["--epoch"]),
        (["--trials", "0"], ["--trials 0", "at least 1"]),
        (["--resume"], ["--resume", "no run"]),
        (["--grace-period", "9", "--epochs", "3"], ["--grace-period 9", "3 epochs"]),
        (["--searcher", "bayesopt"], ["bayesopt"]),
        (["--replay", folder / "nothing"], ["--replay", "trials.csv"]),
        (["--address", "127.0.0.1:1"], ["--address 127.0.0.1:1"]),
    ):
        done = run(ray_tune("--out", folder / "mistake", *(["--dataset", "synthetic"] if "--dataset" not in flags else []),
                            *flags), check=False)
        message = done.stderr.strip()
        named = all(word in message for word in wanted)
        expect(done.returncode == 2 and named and len(message.splitlines()) == 1,
               f"{' '.join(map(str, flags)).replace(str(folder), '@')}: {message.replace(str(folder), '@')[:150]}")
        shutil.rmtree(folder / "mistake", ignore_errors=True)


CHECKS = {"equal": equal, "failures": failures, "kill-node": kill_node, "kill-driver": kill_driver, "overhead": overhead, "capacity": capacity,
          "searchers": searchers, "optuna": optuna_processes, "mistakes": mistakes}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("check", choices=[*CHECKS, "all"])
    arguments.add_argument("--data-dir", help="CIFAR-10's binary files [default: synthetic images]")
    arguments.add_argument("--small", action="store_true", help="as small as it can be")
    arguments.add_argument("--trials", type=int, default=20, help="trials of overhead")
    arguments.add_argument("--keep", type=Path, help="leave the runs in this folder")
    options = arguments.parse_args()
    if options.data_dir:
        options.data_dir = str(Path(options.data_dir).resolve())
    names = list(CHECKS) if options.check == "all" else [options.check]
    for name in names:
        begun = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            if options.keep:
                folder = options.keep / name
                folder.mkdir(parents=True, exist_ok=True)
            print(f"== {name}", flush=True)
            CHECKS[name](options, Path(folder))
        print(f"== {name}: {time.monotonic() - begun:.0f} s", flush=True)
    if FAILED:
        sys.exit(f"{len(FAILED)} checks failed: " + "; ".join(FAILED))
    print("all checks passed")


if __name__ == "__main__":
    main()
