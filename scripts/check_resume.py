#!/usr/bin/env python3
"""Kills a study with SIGKILL at random moments, resumes it, and compares it with one that was never killed.

    python3 scripts/check_resume.py [--kills 50] [--seed 0] [--strata target/release/tune]

Then the same with two processes at a time on one study. Needs nothing but Python. The study is an analytic function
with a learning curve, searched by TPE without a scheduler, so it must come out the same, byte for byte but
times. With asha, whose decisions depend on arrival, no finished trial may be lost, change or run twice.
"""
import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STUDY = ["--objective", "mixed", "--trials", "60", "--epochs", "8", "--sampler", "tpe", "--seed", "5", "--quiet"]


def command(options, out, flags):
    return [str(options.strata), *STUDY, "--out", str(out), *flags]


def table(path):
    """Rows without their times."""
    with open(path) as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def finished(journal):
    """Number -> (state, values) of finished trials in a journal, and how often each was finished."""
    trials, ends = [], {}
    for line in journal.read_bytes().split(b"\n")[:-1]:
        record = json.loads(line)
        if record["op_code"] == 4:
            trials.append(None)
        if record["op_code"] == 6 and record["state"] in (1, 2, 3):
            number = record["trial_id"]
            ends.setdefault(number, []).append((record["state"], record["values"]))
    return ends


def killed(options, out, flags, processes):
    """Starts, kills and resumes until the study is whole; gives the number of kills and what was lost."""
    draw = random.Random(options.seed)
    kills, known, lost = 0, {}, []
    while True:
        resume = ["--resume"] if (out / "manifest.json").exists() else []
        running = [subprocess.Popen(command(options, out, [*flags, *resume]), stderr=subprocess.DEVNULL,
                                    stdout=subprocess.DEVNULL)]
        for _ in range(processes - 1):
            if resume:
                running.append(subprocess.Popen(command(options, out, [*flags, *resume]),
                                                stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL))
        if kills < options.kills:
            time.sleep(draw.uniform(0.0, options.life))
        if kills >= options.kills:
            codes = [process.wait() for process in running]
            if any(codes):
                sys.exit(f"a resumed study ended with status {codes}")
            break
        for process in running:
            process.kill()
            process.wait()
        kills += 1
        journal = out / "study.journal"
        if journal.exists():
            text = journal.read_bytes()
            whole = text[: text.rfind(b"\n") + 1]
            copy = out.parent / "copy.journal"
            copy.write_bytes(whole)
            now = finished(copy)
            lost += [number for number, end in known.items() if now.get(number, [None])[0] != end[0]]
            known = now
    ends = finished(out / "study.journal")
    twice = [number for number, end in ends.items() if len(end) > 1]
    lost += [number for number, end in known.items() if ends[number][0] != end[0]]
    return kills, lost, twice, len(ends)


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--kills", type=int, default=50)
    arguments.add_argument("--life", type=float, default=0.15, help="longest life between two kills, in seconds")
    arguments.add_argument("--seed", type=int, default=0)
    arguments.add_argument("--strata", type=Path, default=ROOT / "target/release/tune")
    options = arguments.parse_args()
    failed = False
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        whole = folder / "whole"
        subprocess.run(command(options, whole, ["--scheduler", "none"]), check=True, stdout=subprocess.DEVNULL)
        for name, scheduler, processes in (("one", "none", 1), ("two", "none", 2), ("asha", "asha", 1)):
            out = folder / name
            kills, lost, twice, ends = killed(options, out, ["--scheduler", scheduler], processes)
            line = f"{scheduler}, {processes} process(es): {kills} kills, {ends} trials, "
            line += f"{len(lost)} finished ones lost or changed, {len(twice)} finished twice"
            good = not lost and not twice and ends == 60
            if scheduler == "none":
                same = all(table(whole / n) == table(out / n) for n in ("trials.csv",))
                order = sorted(map(str, table(whole / "decisions.csv"))) == sorted(map(str, table(out / "decisions.csv")))
                line += f"; same study as without kills: {same and order}"
                good = good and same and order
            print(line, flush=True)
            failed |= not good
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
