#!/usr/bin/env python3
"""Does TensorBoard read the event files of `report --tensorboard` as the tables have them?

    report results/mine --out results/report/mine --tensorboard
    python3 scripts/check_tensorboard.py results/mine results/report/mine/tensorboard

Compares every point of curves.csv and every hyperparameter of trials.csv with what TensorBoard's own reader finds.
Needs the package tensorboard.
"""

import argparse
import csv
import math
import sys
from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams import plugin_data_pb2


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def number(text):
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def settings(accumulator):
    content = accumulator.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    found = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info.hparams
    return {name: value.number_value if value.HasField("number_value") else value.string_value for name, value in found.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("logs", type=Path)
    flags = parser.parse_args()
    folders = {int(path.name.removeprefix("trial_")): path for path in flags.logs.iterdir()}
    readers = {}
    for trial, path in folders.items():
        readers[trial] = EventAccumulator(str(path), size_guidance={"scalars": 0})
        readers[trial].Reload()
    wrong, points, hyperparameters = [], 0, 0
    curves = flags.run / "curves.csv"
    series = {}
    for row in rows(curves) if curves.exists() else []:
        for name in ("loss", "accuracy"):
            value = number(row[name])
            if value is not None:
                key = int(row["trial"]), f"{name}/{row['split']}"
                series.setdefault(key, []).append((int(row["step"]), value))
    for (trial, tag), expected in series.items():
        points += len(expected)
        found = [(event.step, event.value) for event in readers[trial].Scalars(tag)]
        same = len(found) == len(expected) and all(
            a[0] == b[0] and math.isclose(a[1], b[1], rel_tol=1e-6, abs_tol=1e-30) for a, b in zip(found, expected)
        )
        if not same:
            wrong.append(f"trial {trial}, {tag}: {found[:3]} … instead of {expected[:3]} …")
    for row in rows(flags.run / "trials.csv"):
        expected = {name[3:]: cell for name, cell in row.items() if name.startswith("hp.") and cell}
        expected = {name: cell if number(cell) is None else number(cell) for name, cell in expected.items()}
        hyperparameters += len(expected)
        found = settings(readers[int(row["trial"])])
        if found != expected:
            wrong.append(f"trial {row['trial']}: {found} instead of {expected}")
    for line in wrong:
        print(line)
    print(f"{len(folders)} trials, {points} points, {hyperparameters} hyperparameters: {len(wrong)} differences")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
