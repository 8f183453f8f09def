"""What the jobs have in common: what they score, and how it is measured, from inside and outside.

A job in Python is a function of the directory of the data. It imports what it needs, sets up the
reference, and returns the work, of which CPU is measured, that of all threads. The work returns how
much `SERIES` has drifted, and where it knows days the mean over all series and days, so that it is
seen whether jobs agree.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import NamedTuple

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
FLIGHTS = ROOT / "tests" / "data" / "flights"
REFERENCE = FLIGHTS / "reference.parquet"
FIRST_DAY, DAYS = "2013-03-01", 31
# What is looked at, and in which day of the month by the jobs that know days.
SERIES, DAY = "temp", 15
LIMIT_S = 1800
SILENCE = {"DO_NOT_TRACK": "1", "WHYLOGS_NO_ANALYTICS": "True", "NML_DISABLE_USAGE_LOGGING": "1"}


class Figure(NamedTuple):
    """What a job has used and found."""

    cpu_s: float
    peak_mb: float
    score: float | None
    mean: float | None


class Fault(Exception):
    """Why something could not be measured."""


def bins(directory):
    """The bins of each series, from data.py."""
    return json.loads((directory / "bins.json").read_text())


def main(jobs):
    """Runs the job that the command line names and prints what it took."""
    job, directory = sys.argv[1:]
    work = jobs[job](Path(directory))
    before = time.process_time()
    score, mean = work()
    cpu_s = time.process_time() - before
    score = None if score is None else float(score)
    print(json.dumps({"cpu_s": cpu_s, "score": score, "mean": mean}))


@contextlib.contextmanager
def started(command, log):
    """A process that writes into a log and is gone afterwards."""
    with open(log, "wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=os.environ | SILENCE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            process.wait()


def usage(process, log):
    """Waits for its end: the CPU seconds of all its threads, and its peak memory in MB."""
    timer = threading.Timer(LIMIT_S, process.kill)
    timer.start()
    _, status, used = os.wait4(process.pid, 0)
    timer.cancel()
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        said = log.read_text(errors="replace").split("\n")
        last = next((line for line in reversed(said) if line.strip()), "it says nothing")
        raise Fault(f"ended with {process.returncode}: {last}")
    return used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def run(command, log):
    """The same of a command."""
    with started(command, log) as process:
        return usage(process, log)
