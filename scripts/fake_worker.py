#!/usr/bin/env python3
"""A worker that trains nothing: for measuring an engine, and for seeing what it does when a worker goes wrong.

    STRATA_FAKE='{"seconds": 1.0, "faults": {"3": "hang"}}' scripts/fake_worker.py --worker

Speaks the protocol of docs/worker.md in lockstep. `seconds` is how long an epoch takes (it sleeps); `faults` gives
trials by number what becomes of them in their second epoch: rubbish, wrong, die, kill, hang, memory. Questions for
a space go to the real worker, STRATA_REAL. Needs nothing but Python.
"""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

REAL = os.environ.get("STRATA_REAL", str(Path(__file__).resolve().parent.parent / "target/release/train"))
WISHES = json.loads(os.environ.get("STRATA_FAKE", "{}"))


def say(line):
    print(json.dumps(line), flush=True)


def go_wrong(fault):
    if fault == "rubbish":
        print("Illegal instruction, I presume", flush=True)
    elif fault == "wrong":
        say({"type": "epoch", "trial": 0, "loss": "small"})
    elif fault == "die":
        print("cannot find the cheese", file=sys.stderr)
        sys.exit(3)
    elif fault == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif fault == "hang":
        time.sleep(3600)
    elif fault == "memory":
        hoard = []
        while True:
            hoard.append(bytearray(64 << 20))
    time.sleep(3600)


def train(configuration):
    number = configuration.get("trial", 0)
    seconds = WISHES.get("seconds", 0.0)
    epochs = WISHES.get("epochs", 2)
    first, resume = 0, configuration.get("resume")
    if isinstance(resume, str):
        first = json.loads(Path(resume).read_text())["epoch"]
    say({"type": "start", "protocol": 1, "trial": number, "epoch": first, "epochs": epochs, "rates": {}})
    for epoch in range(first + 1, epochs + 1):
        if epoch == 2 and str(number) in WISHES.get("faults", {}):
            go_wrong(WISHES["faults"][str(number)])
        time.sleep(seconds)
        folder = configuration.get("checkpoints")
        saved = None
        if folder:
            saved = os.path.join(folder, f"fake-{number}-{epoch}.json")
            Path(saved).write_text(json.dumps({"epoch": epoch}))
        line = {"trial": number, "epoch": epoch, "steps": epoch, "loss": 1.0 / (number + epoch), "accuracy": 0.5,
                "train_loss": 1.0, "train_accuracy": 0.5, "images_trained": epoch, "seconds": epoch * seconds,
                "checkpoint": saved}
        say({"type": "epoch", **line})
        if epoch < epochs:
            command = json.loads(sys.stdin.readline() or '{"command": "pause"}')["command"]
            if command != "continue":
                return say({"type": "end", "status": {"stop": "stopped"}.get(command, "paused"), **line})
    say({"type": "end", "status": "complete", **line})


def main():
    while line := sys.stdin.readline():
        request = json.loads(line)
        if request.get("command") == "describe":
            answer = subprocess.run([REAL, *sys.argv[1:]], input=line, capture_output=True, text=True, check=False)
            print(answer.stdout, end="", flush=True)
        elif "command" not in request:
            train(request)


main()
