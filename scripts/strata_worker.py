"""What engines outside of Strata share: the worker process. `strata_space.py` has the values of a space,
`strata_tables.py` the tables and the journal of a study.

No program of its own: `ray_tune.py` and `optuna_study.py` import it. Needs nothing but Python.
docs/worker.md has the protocol that is spoken here.
"""
import fcntl
import json
import os
import queue
import shutil
import signal
import subprocess
import tempfile
import threading
from pathlib import Path

PROTOCOL = 1
LONGEST_LINE = 1 << 24
# Fields without which a line of a type is none of the protocol.
FIELDS = {
    "start": {"trial": int, "epoch": int, "epochs": int, "rates": dict},
    "epoch": {"trial": int, "epoch": int, "steps": int, "images_trained": int, "seconds": (int, float)},
    "end": {"status": str},
    "description": {"parameters": list, "manifest": dict, "seeds": list},
    "error": {"message": str},
}


class WorkerFailure(Exception):
    """A worker that cannot be worked with; the text says why, for people and for the column `error`."""


def check_line(text):
    """The line of a worker as an object; raises `WorkerFailure` where it is none of the protocol."""
    shown = text.strip()[:80]
    try:
        line = json.loads(text)
    except ValueError:
        raise WorkerFailure(f"the worker printed what is no line of the protocol: {shown!r}") from None
    kind = line.get("type") if isinstance(line, dict) else None
    if kind not in FIELDS:
        raise WorkerFailure(f"the worker printed what is no line of the protocol: {shown!r}")
    for name, types in FIELDS[kind].items():
        value = line.get(name)
        if not isinstance(value, types) or isinstance(value, bool):
            raise WorkerFailure(f"the worker's {kind} line has no proper {name}: {shown!r}")
    for name in ("loss", "accuracy", "train_loss", "train_accuracy"):
        value = line.get(name)
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise WorkerFailure(f"the worker's {kind} line has no proper {name}: {shown!r}")
    if line.get("protocol", PROTOCOL) != PROTOCOL:
        raise WorkerFailure(f"the worker speaks protocol {line['protocol']}, this program {PROTOCOL}: use the "
                            "program that came with the binary")
    return line


class Worker:
    """A `train --worker` process. It is started at its first request, and anew after a failure."""

    def __init__(self, binary, arguments=(), memory_bytes=None):
        self.command = [str(binary), "--worker", *arguments]
        self.memory_bytes = memory_bytes
        self.process = None

    def request(self, message):
        """Writes a line, starting the process if there is none."""
        if self.process is None:
            self._start()
        try:
            self.process.stdin.write(json.dumps(message) + "\n")
            self.process.stdin.flush()
        except OSError:
            raise self.failure(self._death()) from None

    def answer(self, timeout):
        """The next line, within `timeout` seconds."""
        while True:
            try:
                text = self.lines.get(timeout=timeout)
            except queue.Empty:
                raise self.failure(f"the worker hung: no line for {timeout:g} s") from None
            if text is None:
                raise self.failure(self._death())
            try:
                line = check_line(text)
            except WorkerFailure as failure:
                raise self.failure(str(failure)) from None
            if line["type"] != "error":
                return line

    def describe(self, space=None, study_seed=0, trials=0, timeout=600):
        """What the worker says of a space file; raises `WorkerFailure` with its own message."""
        question = {"command": "describe", "study_seed": study_seed, "trials": trials}
        if space is not None:
            question["space"] = str(space)
        self.request(question)
        line = self.answer(timeout)
        if line["type"] != "description":
            raise WorkerFailure(line.get("message", "the worker did not describe the space"))
        return line

    def failure(self, reason):
        """Ends the process and gives the error to raise."""
        self.kill()
        return WorkerFailure(reason)

    def kill(self):
        """Ends the process at once; what it has saved stays."""
        process, self.process = self.process, None
        if process is None:
            return
        process.kill()
        process.wait()
        try:
            process.stdin.close()
        except OSError:
            pass  # What was on its way to a process that is gone.
        self.errors.close()

    def close(self):
        """Lets the process end; its trial, if it runs one, is saved."""
        process = self.process
        if process is None:
            return
        try:
            process.stdin.close()
            process.wait(timeout=5)
        except (OSError, subprocess.TimeoutExpired):
            process.terminate()
            try:
                process.wait(timeout=5)
            except subprocess.TimeoutExpired:
                pass
        self.kill()

    def _start(self):
        self.errors = tempfile.TemporaryFile()
        limit = self.memory_bytes

        def limited():
            import resource
            resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

        try:
            self.process = subprocess.Popen(self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                            stderr=self.errors, text=True, errors="replace",
                                            preexec_fn=limited if limit else None)
        except OSError as error:
            self.process = None
            raise WorkerFailure(f"the worker cannot be started: {self.command[0]}: {error.strerror}") from None
        self.lines = queue.Queue()
        threading.Thread(target=_read, args=(self.process.stdout, self.lines), daemon=True).start()

    def _death(self):
        """How the process ended, with the last it said."""
        try:
            code = self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "the worker closed its output and did not end"
        self.errors.seek(0, os.SEEK_END)
        self.errors.seek(max(0, self.errors.tell() - 2000))
        said = [line for line in self.errors.read().decode(errors="replace").splitlines() if line.strip()]
        # An error is told in its first line; a traceback in its last.
        errors = [line for line in said if line.startswith("error:")]
        said = f": {(errors or said[-1:])[0][:300]}" if said else ""
        if code >= 0:
            return f"the worker ended with status {code}{said}"
        name = signal.Signals(-code).name
        cause = " (as the system does when memory runs out)" if name == "SIGKILL" else ""
        return f"the worker was ended by {name}{cause}{said}"


def _read(pipe, lines):
    with pipe:
        while text := pipe.readline(LONGEST_LINE):
            lines.put(text)
    lines.put(None)


class TrialRun:
    """One trial on a worker, epoch by epoch, in lockstep: the worker waits for a command after each."""

    def __init__(self, worker, number, configuration, timeout, on_start=lambda line: None):
        self.worker = worker
        self.number = number
        self.timeout = timeout
        self.is_over = False
        worker.request({"trial": number, "lockstep": True, **configuration})
        line = self._line()
        if line["type"] == "start":
            on_start(line)
            self.epochs = line["epochs"]
            self.first = None
            # A trial that had been saved at its end has no epoch left.
            if line["epoch"] >= self.epochs:
                self.first = self._line()
        else:
            self.first = line
        self.started = False

    def epoch(self):
        """The next line: of an epoch, or the last. The one after a last epoch comes by itself."""
        if self.first is not None:
            self.is_over = True
            return self.first
        if self.started and not self.at_end:
            self.worker.request({"command": "continue", "trial": self.number})
        self.started = True
        line = self._line()
        self.at_end = line["type"] == "end" or line.get("loss") is None or line["epoch"] >= self.epochs
        self.is_over = line["type"] == "end"
        return line

    def stop(self, command="stop"):
        """Ends the trial before its time; gives its last line."""
        if self.first is not None or self.is_over:
            return None
        if self.started and not self.at_end:
            self.worker.request({"command": command, "trial": self.number})
        while not self.is_over:
            line = self._line()
            self.is_over = line["type"] == "end"
        return line

    def _line(self):
        line = self.worker.answer(self.timeout)
        if line.get("trial") not in (None, self.number):
            raise self.worker.failure(f"the worker spoke of trial {line['trial']} in the middle of {self.number}")
        return line


def prepare_data(binary, arguments, lock):
    """Has one process a node download the data (the worker checks their SHA-256) while the others wait."""
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        worker = Worker(binary, arguments)
        try:
            worker.describe()
        finally:
            worker.close()


def find_binary(given, root):
    """The `train` binary: the one given, else that of this checkout, else the one on the path."""
    if given:
        path = Path(given).expanduser()
        if not path.is_file():
            raise WorkerFailure(f"--binary {given}: there is no such file; build it with cargo build --release")
        if not os.access(path, os.X_OK):
            raise WorkerFailure(f"--binary {given}: this file cannot be executed")
        return path.resolve()
    built = root / "target/release/train"
    found = built if built.is_file() else shutil.which("strata-train")
    if not found:
        raise WorkerFailure(f"--binary: there is no {built}; build it with cargo build --release, or name it")
    return Path(found).resolve()
