#!/usr/bin/env python3
"""Whole trainings: how many an hour holds, what workers and diagnostics cost, and whether memory grows.

    python3 scripts/measure_training.py DATA_DIR            # all; DATA_DIR has CIFAR-10's binary files
    python3 scripts/measure_training.py DATA_DIR hour --trials 40 --workers 2
    python3 scripts/measure_training.py DATA_DIR workers
    python3 scripts/measure_training.py DATA_DIR diagnostics
    python3 scripts/measure_training.py DATA_DIR memory

Needs nothing but Python. Prints one line a measurement, ready to be quoted with its machine.
"""
import argparse
import csv
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def program(name):
    subprocess.run(["cargo", "build", "--release", "--quiet", "--bins"], cwd=ROOT, check=True)
    return ROOT / "target/release" / name


def search(data, out, trials, workers, epochs=10, images=45_000):
    """Trainings of the tutorial net at batch 64 with validation each epoch; gives the manifest."""
    command = [program("tune"), "--dataset", "cifar10", "--data-dir", data, "--out", out, "--quiet"]
    command += ["--train-images", str(images), "--validation-images", str(images // 9)]
    command += ["--batch-size", "64", "--epochs", str(epochs), "--trials", str(trials)]
    command += ["--space", ROOT / "experiments/spaces/rate.toml", "--sampler", "random"]
    command += ["--scheduler", "none", "--no-test", "--workers", str(workers)]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    return json.loads((Path(out) / "manifest.json").read_text())


def measure_hour(options, folder):
    manifest = search(options.data, folder / "hour", options.trials, options.workers)
    print(
        f"hour: {manifest['trials']} trainings of 45,000 images x 10 epochs, {options.workers} workers, "
        f"{manifest['wall_seconds']:.0f} s: {manifest['trials_per_hour']:.0f} an hour, "
        f"{manifest['images_per_second']:.0f} images/s ({manifest['machine']}; {manifest['operations']})"
    )


def measure_workers(options, folder):
    rates = {1: [], 2: []}
    for turn in range(options.rounds):
        for workers in rates:
            out = folder / f"workers-{workers}-{turn}"
            manifest = search(options.data, out, 4, workers, epochs=4, images=18_000)
            rates[workers].append(manifest["trials_per_hour"])
    one, two = (statistics.median(rates[workers]) for workers in (1, 2))
    print(f"workers: 1 worker {one:.0f} trials/h, 2 workers {two:.0f} trials/h: ratio {two / one:.2f} "
          f"(medians of {options.rounds} in turn)")


def train(data, out, *flags):
    command = [program("train"), "--dataset", "cifar10", "--data-dir", data, "--out", out, "--quiet", *flags]
    return subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)


def measure_diagnostics(options, folder):
    for batch in (4, 64):
        seconds = {"default": [], "never": []}
        for turn in range(options.rounds):
            for name, flags in (("default", []), ("never", ["--diagnostics-every", "1000000"])):
                out = folder / f"diagnostics-{batch}-{name}-{turn}"
                images = 8_000 if batch == 4 else 30_000
                size = ["--train-images", images, "--validation-images", 1000, "--batch-size", batch]
                assert train(options.data, out, "--epochs", 3, *size, *flags).wait() == 0
                rows = [row for row in csv.DictReader(open(out / "curves.csv")) if row["split"] == "train"]
                seconds[name].append(float(rows[-1]["seconds"]))
        default, never = statistics.median(seconds["default"]), statistics.median(seconds["never"])
        print(f"diagnostics: batch {batch}, at their default cadence {100 * (default / never - 1):.1f} % of a run "
              f"({default:.2f} s, {never:.2f} s without; medians of {options.rounds} in turn)")


def measure_memory(options, folder):
    size = ["--train-images", 45_000, "--validation-images", 1000, "--batch-size", 64, "--epochs", 72]
    process = train(options.data, folder / "memory", *size)
    samples = []
    while process.poll() is None:
        try:
            status = Path(f"/proc/{process.pid}/status").read_text()
            samples.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
        except (OSError, IndexError):
            pass
        time.sleep(0.5)
    steps = 72 * -(-45_000 // 64)
    tenth = len(samples) // 10
    print(f"memory: {steps} steps, resident {statistics.median(samples[tenth:2 * tenth]):.1f} MB in the second "
          f"tenth of the run, {statistics.median(samples[-tenth:]):.1f} MB in the last, peak {max(samples):.1f} MB")


def main():
    measurements = {"hour": measure_hour, "workers": measure_workers, "diagnostics": measure_diagnostics,
                    "memory": measure_memory}
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("data", metavar="DATA_DIR")
    arguments.add_argument("what", nargs="?", choices=[*measurements, "all"], default="all")
    arguments.add_argument("--trials", type=int, default=40)
    arguments.add_argument("--workers", type=int, default=2)
    arguments.add_argument("--rounds", type=int, default=5)
    options = arguments.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name, measure in measurements.items():
            if options.what in (name, "all"):
                measure(options, Path(folder))


if __name__ == "__main__":
    main()
