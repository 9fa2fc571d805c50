#!/usr/bin/env python3
"""Replay random streams of reports through Strata, Ray Tune and Optuna, and compare every decision.

    python3 scripts/check_schedulers.py --strata target/release/tune      # needs ray[tune], optuna

Each stream is a study of up to 60 trials whose reports arrive in a random order, with ties, NaN,
infinities, missing metrics, skipped steps and, now and then, a step that comes twice, as a loss to be
small or an accuracy to be large; the rungs have several first steps, factors and maxima. Strata reads
it as a file (`tune --replay`). Ray's ASHAScheduler and Optuna's SuccessiveHalvingPruner get the same
reports through their own interfaces, each obeying its own decisions, so that a difference is not
carried along. Rungs and competitors are compared too, and Ray's cutoffs, bit for bit.

A trial that one side has stopped reports no more. At the maximum Ray stops every trial (ours:
`finish`); Optuna knows no maximum, so there a trial that was not pruned ends as complete. Prints how
many decisions were compared and exits 1 on a difference.
"""
import argparse
import csv
import math
import random
import subprocess
import sys
import tempfile
import types
import warnings
from pathlib import Path

import optuna
from ray.tune.schedulers import ASHAScheduler

optuna.logging.set_verbosity(optuna.logging.ERROR)
warnings.simplefilter("ignore")


def draw_settings(draws, mode):
    """Rungs, metric and kind of reports of a stream."""
    grace = draws.choice([1, 1, 1, 2, 3, 5])
    factors = [2, 3, 4, 5] + ([2.5, 3.7, 2.0, 4.0] if mode == "ray" else [])
    powers = [grace * 3**k for k in range(1, 4)] + [grace * 2**k for k in range(1, 5)]
    settings = {
        "mode": mode,
        "max_t": draws.choice(powers + [grace, grace + draws.randrange(60), 27, 81, 100]),
        "grace": grace,
        "factor": draws.choice(factors),
        "metric": draws.choice(["loss", "accuracy"]),
        "rate": 0,
        "bootstrap": 0,
    }
    settings["max_t"] = max(settings["max_t"], grace)
    if mode == "optuna":
        settings["rate"] = draws.choice([0, 0, 0, 1, 2])
        settings["bootstrap"] = draws.choice([0, 0, 0, 1, 3])
    return settings


def draw_reports(draws, settings):
    """Reports (trial, step, value or None) in the order in which they arrive."""
    trials = draws.randrange(2, 61)
    rough = draws.choice([0.0, 0.02, 0.2])  # share of odd values
    infinite = draws.choice([0.0, 0.0, 0.1])
    levels = draws.choice([None, None, 3, 20])  # few levels: many ties
    gaps = draws.choice([0.0, 0.0, 0.3])
    again = draws.choice([0.0, 0.0, 0.02])
    good_first = draws.random() < 0.3
    curves = []
    for trial in range(trials):
        quality = draws.gauss(0, 1) + (trial / 10 if good_first else 0)
        curve, step = [], 0
        end = settings["max_t"] + draws.randrange(-2, 4)
        while step < end:
            step += 1 + (draws.randrange(1, 8) if draws.random() < gaps else 0)
            value = quality + draws.gauss(0, 0.3) + 2 / step
            if levels:
                value = round(value * levels / 4) / levels
            if draws.random() < infinite:
                value = draws.choice([math.inf, -math.inf])
            if draws.random() < rough:
                value = draws.choice([math.nan, None])
            curve.append((trial, step, value))
            if draws.random() < again:
                step -= draws.randrange(1, 3)
                step = max(step, 0)
        curves.append(curve)
    # So many run at a time; each time one of them reports.
    workers = draws.choice([1, 4, trials])
    running, waiting, reports = [], curves[::-1], []
    while running or waiting:
        while waiting and len(running) < workers:
            running.append(iter(waiting.pop()))
        at = draws.randrange(len(running))
        report = next(running[at], None)
        if report is None:
            running.pop(at)
        else:
            reports.append(report)
    return reports


def ray_decisions(settings, reports):
    """What Ray's scheduler decides: rows (trial, step, stops, rung, competitors, cutoff)."""
    scheduler = ASHAScheduler(
        time_attr="t",
        metric="value",
        mode="min" if settings["metric"] == "loss" else "max",
        max_t=settings["max_t"],
        grace_period=settings["grace"],
        reduction_factor=settings["factor"],
    )
    sign = -1.0 if settings["metric"] == "loss" else 1.0
    compared = []
    for bracket in scheduler._brackets:
        original = bracket.cutoff

        def cutoff(recorded, original=original, bracket=bracket):
            found = original(recorded)
            rung = next(rung for rung, known in bracket._rungs if known is recorded)
            ranked = sum(not math.isnan(value) for value in recorded.values())
            compared.append((rung, ranked, found))
            return found

        bracket.cutoff = cutoff
    trials, over, rows = {}, set(), []
    for number, step, value in reports:
        if number in over:
            continue
        if number not in trials:
            trials[number] = types.SimpleNamespace(trial_id=str(number))
            scheduler.on_trial_add(None, trials[number])
        result = {"t": step}
        if value is not None:
            result["value"] = value
        compared.clear()
        stops = scheduler.on_trial_result(None, trials[number], result) == ASHAScheduler.STOP
        rung, ranked, found = compared[0] if compared else (None, 0, None)
        if found is not None:
            found = None if math.isnan(found) else sign * found
        rows.append((number, step, stops, rung, ranked, found))
        if stops:
            over.add(number)
    return rows


def trials_of(study):
    return study.get_trials(deepcopy=False)


def rungs_of(trial):
    """How many rungs Optuna has recorded a trial at."""
    return sum(name.startswith("completed_rung_") for name in trial.system_attrs)


def optuna_decisions(settings, reports):
    """What Optuna's pruner decides: rows (trial, step, stops, rung, competitors); no rung for NaN."""
    study = optuna.create_study(
        direction="minimize" if settings["metric"] == "loss" else "maximize",
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.SuccessiveHalvingPruner(
            min_resource=settings["grace"],
            reduction_factor=settings["factor"],
            min_early_stopping_rate=settings["rate"],
            bootstrap_count=settings["bootstrap"],
        ),
    )
    trials, over, rows = {}, set(), []
    for number, step, value in reports:
        if number in over:
            continue
        if number not in trials:
            trials[number] = study.ask()
        trial = trials[number]
        if value is not None:
            trial.report(value, step)
        # Without a new value Optuna has nothing new to say.
        before = rungs_of(trials_of(study)[trial.number])
        stops = trial.should_prune() if value is not None else False
        after = rungs_of(trials_of(study)[trial.number])
        rung, competitors = None, 0
        if after > before:
            rung = settings["grace"] * settings["factor"] ** (settings["rate"] + after - 1)
            competitors = sum(rungs_of(other) >= after for other in trials_of(study))
        rows.append((number, step, stops, rung, competitors))
        if stops:
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
            over.add(number)
        elif step >= settings["max_t"]:
            study.tell(trial, 0.0)
            over.add(number)
    return rows


def strata_decisions(binary, settings, reports, folder):
    """The rows of our decisions.csv."""
    curves = folder / "curves.csv"
    with open(curves, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["trial", "step", "split", settings["metric"], "seconds"])
        for trial, step, value in reports:
            writer.writerow([trial, step, "train", 0, 0])
            writer.writerow([trial, step, "validation", "" if value is None else repr(value), 0])
    flags = {
        "--replay": curves,
        "--scheduler": "asha",
        "--mode": settings["mode"],
        "--max-t": settings["max_t"],
        "--grace-period": settings["grace"],
        "--reduction-factor": settings["factor"],
        "--metric": settings["metric"],
        "--out": folder / "out",
    }
    if settings["rate"]:
        flags["--min-early-stopping-rate"] = settings["rate"]
    if settings["bootstrap"]:
        flags["--bootstrap-count"] = settings["bootstrap"]
    command = [binary] + [str(part) for flag in flags.items() for part in flag]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    with open(folder / "out" / "decisions.csv", newline="") as file:
        return list(csv.DictReader(file))


def compare(settings, theirs, ours):
    """The first difference in words, or None."""
    for index, (their, our) in enumerate(zip(theirs, ours)):
        if (int(our["trial"]), int(our["step"])) != their[:2]:
            return f"row {index}: expected a report {their[:2]}, found {our}"
        ends = our["decision"] == "stop" or settings["mode"] == "ray" and our["decision"] == "finish"
        if ends != their[2]:
            return f"row {index}: expected stop={their[2]}, found {our}"
        # Optuna does not record a trial that reports NaN at a rung.
        if settings["mode"] == "ray" or our["value"] != "NaN":
            rung = float(our["rung"]) if our["rung"] else None
            if (rung, int(our["competitors"])) != their[3:5]:
                return f"row {index}: expected rung, competitors {their[3:5]}, found {our}"
        if settings["mode"] == "ray":
            cutoff = float(our["cutoff"]) if our["cutoff"] else None
            if cutoff != their[5]:
                return f"row {index}: expected cutoff {their[5]}, found {our}"
    if len(theirs) != len(ours):
        return f"expected {len(theirs)} decisions, found {len(ours)}"
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--strata", default="target/release/tune", help="our tune binary")
    parser.add_argument("--streams", type=int, default=200, help="streams for each mode")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--mode", choices=["ray", "optuna"], help="only this one")
    options = parser.parse_args()
    failed = False
    for mode in [options.mode] if options.mode else ["ray", "optuna"]:
        peer = ray_decisions if mode == "ray" else optuna_decisions
        compared = stopped = differences = 0
        for stream in range(options.streams):
            draws = random.Random(f"{options.seed}/{mode}/{stream}")
            settings = draw_settings(draws, mode)
            reports = draw_reports(draws, settings)
            theirs = peer(settings, reports)
            with tempfile.TemporaryDirectory() as folder:
                ours = strata_decisions(options.strata, settings, reports, Path(folder))
            difference = compare(settings, theirs, ours)
            if difference:
                differences += 1
                print(f"{mode}, stream {stream}, {settings}: {difference}")
            compared += len(theirs)
            stopped += sum(row[2] for row in theirs)
        print(
            f"{mode}: {compared} decisions of {options.streams} streams compared, {stopped} of them "
            f"stops; streams with a difference: {differences}"
        )
        failed |= differences > 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
