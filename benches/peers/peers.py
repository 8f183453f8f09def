#!/usr/bin/env python3
"""driftd and its peers on the same work, side by side: libraries for drift, what an expert would
write with DuckDB or polars, and driftd, with the same rows and the same reference.

    cargo build --release
    python3 benches/peers/peers.py [--rows 1000000] [--rounds 3]

Each peer has an environment of its own below target/peers, filled by pip, and may not call home.
The data are made there by data.py. Each job is a process of its own; all of them take turns, and of
the rounds of each the one with the median CPU is shown.

CPU of a peer is that of all its threads from when the reference is set up until there are scores,
without imports and, where it takes a table, without reading that. CPU of driftd is that of the
whole process from its start to its end, with all it does for Kafka, event time, state and alerts.
Peak memory is of the whole process, of a peer with its imports and its table. The environment
variable DRIFTD names another driftd than target/release/driftd.

The last columns are there to see who agrees: the score of one series, on 15 March where a job knows
days, and the mean over all series and days. Jobs by day have the bins and the definition of driftd
and must say the same, or the command ends with 1; NannyML's is another score, and the libraries
have bins, and a treatment of empty ones, of their own.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import driftd
from measure import HERE, ROOT, SERIES, Fault, Figure, run

TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target")).resolve()
DRIFTD = Path(os.environ.get("DRIFTD", TARGET / "release" / "driftd")).resolve()
PEERS = TARGET / "peers"
# More than the flights of a month.
MONTH = 30_000
# The features, the prediction and the latency.
VALUES = 22
INSTALL_S = 900

# Evidently and scouter do not know pandas 3, alibi-detect wants a pyarrow that knows numpy 1, and
# NannyML does not say that it needs statsmodels.
TABLES = ["pandas==2.3.3", "pyarrow==20.0.0"]
ENVIRONMENTS = {
    "data": ["confluent-kafka==2.16.1", *TABLES],
    "Evidently": ["evidently==0.7.23", *TABLES],
    "whylogs": ["whylogs==1.6.4", *TABLES],
    "alibi-detect": ["alibi-detect==0.13.0", *TABLES],
    "NannyML": ["nannyml==0.13.1", "statsmodels==0.14.6", *TABLES],
    "scouter": ["scouter-ml==0.25.0", *TABLES],
    "polars": ["polars==2.1.0", "numpy==2.4.6"],
    "DuckDB": ["duckdb==2.0.1", "numpy==2.4.6"],
}


class Job(NamedTuple):
    """Without a script it is driftd."""

    peer: str
    source: str
    what: str
    script: str | None
    argument: str


TABLE, PARQUET, LINES, TOPIC = "table in memory", "Parquet", "JSON lines", "JSON in Kafka"
JOBS = [
    Job("Evidently", TABLE, "PSI, one window", "libraries.py", "evidently"),
    Job("whylogs", TABLE, "a profile, no scores", "libraries.py", "whylogs"),
    Job("alibi-detect", TABLE, "KS and chi-squared, one window", "libraries.py", "alibi-detect"),
    Job("NannyML", TABLE, "Jensen-Shannon, 31 days", "libraries.py", "nannyml"),
    Job("scouter", TABLE, "PSI, one window", "libraries.py", "scouter"),
    Job("polars", PARQUET, "PSI, 31 days, by hand", "experts.py", "polars-parquet"),
    Job("DuckDB", PARQUET, "PSI, 31 days, by hand", "experts.py", "duckdb-parquet"),
    Job("driftd replay", PARQUET, "all scores and alerts, 31 days", None, "live.parquet"),
    Job("polars", LINES, "PSI, 31 days, by hand", "experts.py", "polars-json"),
    Job("DuckDB", LINES, "PSI, 31 days, by hand", "experts.py", "duckdb-json"),
    Job("driftd replay", LINES, "all scores and alerts, 31 days", None, "live.jsonl"),
    Job("driftd serve", TOPIC, "the same, a day every 4 hours", None, '["24h"]'),
    Job("driftd serve", TOPIC, "the same, 1h, 6h and 24h", None, '["1h", "6h", "24h"]'),
]


def install(peer):
    """Makes the environment of a peer, unless it is there: its Python."""
    place, packages = PEERS / f"venv-{peer}", "\n".join(ENVIRONMENTS[peer])
    python, mark = place / "bin" / "python", place / "packages.txt"
    if not mark.exists() or mark.read_text() != packages:
        print(f"installing {peer}", file=sys.stderr)
        shutil.rmtree(place, ignore_errors=True)
        pip = [python, "-m", "pip", "install", "--quiet", *ENVIRONMENTS[peer]]
        try:
            subprocess.run([sys.executable, "-m", "venv", place], check=True, timeout=INSTALL_S)
            subprocess.run(pip, check=True, timeout=INSTALL_S, capture_output=True, text=True)
        except subprocess.TimeoutExpired:
            raise Fault(f"not installable: not within {INSTALL_S} s") from None
        except subprocess.CalledProcessError as error:
            said = (error.stderr or str(error)).strip().splitlines()
            raise Fault(f"not installable: {said[-1]}") from None
        mark.write_text(packages)
    return python


def data(rows):
    """Makes what the jobs are given, unless it is there; the Python that can read it as well."""
    place, python = PEERS / f"data-{rows}", install("data")
    place.mkdir(parents=True, exist_ok=True)
    if not (place / "bins.json").exists():
        print(f"making {rows:,} rows", file=sys.stderr)
        run([python, HERE / "data.py", "files", str(rows), place], place / "files.log")
    return place, python


def measure(job, place, brokers, rows):
    if job.source == TOPIC:
        return driftd.serve(DRIFTD, place, brokers, job.argument, rows)
    if job.script is None:
        return driftd.replay(DRIFTD, place, job.argument)
    log = place / f"{job.argument}.log"
    _, peak_mb = run([install(job.peer), HERE / job.script, job.argument, place], log)
    said = json.loads(log.read_text().splitlines()[-1])
    return Figure(said["cpu_s"], peak_mb, said["score"], said["mean"])


def rounds(count, place, brokers, rows):
    """All jobs in turns: of each its figures, or why there are none."""
    found = {job: [] for job in JOBS}
    for turn in range(1, count + 1):
        for job in [job for job in JOBS if isinstance(found[job], list)]:
            print(f"round {turn}: {job.peer}, {job.source}", file=sys.stderr)
            try:
                found[job].append(measure(job, place, brokers, rows))
            except Fault as fault:
                found[job] = str(fault)
    return found


def show(found, rows):
    print(f"{rows:,} rows of {VALUES} values; a second is one of CPU\n")
    print(f"| job | from | CPU s | rows/s | values/s | peak MB | what | `{SERIES}` | mean |")
    print("|---|---|---|---|---|---|---|---|---|")
    for job, figures in found.items():
        if isinstance(figures, str):
            print(f"| {job.peer} | {job.source} | | | | | {figures} | | |")
            continue
        figure = sorted(figures, key=lambda figure: figure.cpu_s)[len(figures) // 2]
        rate = rows / figure.cpu_s
        score, mean = ("" if value is None else f"{value:.6f}" for value in figure[2:])
        print(f"| {job.peer} | {job.source} | {figure.cpu_s:.2f} | {rate:,.0f} "
              f"| {rate * VALUES / 1e6:.2f} M | {figure.peak_mb:,.0f} | {job.what} "
              f"| {score} | {mean} |")


def agree(found):
    """Whether all that score days by the same definition say the same."""
    said = {(f"{figure.score:.9f}", f"{figure.mean:.9f}") for figures in found.values()
            if isinstance(figures, list) for figure in figures if figure.mean is not None}
    return len(said) <= 1


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--rows", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments = arguments.parse_args()
    if arguments.rows < MONTH:
        sys.exit(f"--rows: at least {MONTH:,}, or days at the end of the month have none")
    if not DRIFTD.exists():
        sys.exit(f"there is no {DRIFTD}: run `cargo build --release`, or name one with DRIFTD")
    try:
        place, python = data(arguments.rows)
        driftd.build(DRIFTD, place)
        with driftd.broker(place, python) as brokers:
            found = rounds(arguments.rounds, place, brokers, arguments.rows)
    except Fault as fault:
        sys.exit(f"nothing can be measured: {fault}")
    show(found, arguments.rows)
    if not agree(found):
        sys.exit("the scores by day differ, so somebody counts wrong")


if __name__ == "__main__":
    main()
