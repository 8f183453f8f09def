#!/usr/bin/env python3
"""What all jobs are given: rows, events, and the bins of the reference. It runs in an environment
with pandas, pyarrow and confluent-kafka.

    data.py files ROWS OUT           OUT/live.parquet, OUT/live.jsonl, OUT/bins.json
    data.py topic BROKERS TOPIC OUT  the events of OUT/live.jsonl into a new topic

The rows are the flights of March, each of them as often as it takes, at any second of its hour:
with one flight a minute it would be measured how windows are judged and not how rows are counted.
The request_id is the number of the row.
"""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from measure import FLIGHTS

sys.path.append(str(FLIGHTS))
import make  # noqa: E402: it is not installed

CATEGORIES_MAX = 100
PARTITIONS = 4
# Records that follow one another in a partition before the next one is written to.
RUN = 64


def live(rows):
    """The flights of March as a table of so many rows, in the order of time."""
    flights = pq.read_table(FLIGHTS / "live.parquet")
    hours = flights["ts"].to_numpy().astype("datetime64[h]")
    march = np.flatnonzero(hours < np.datetime64("2013-04-01"))
    flight = march[np.arange(rows) % len(march)]
    ts = hours[flight] + np.random.default_rng(7).integers(0, 3600, rows).astype("timedelta64[s]")
    order = np.argsort(ts, kind="stable")
    ids = pa.array([str(number) for number in range(1, rows + 1)])
    at = pa.array(ts[order], pa.timestamp("us")).cast(pa.timestamp("us", "UTC"))
    table = flights.take(pa.array(flight[order]))
    return table.set_column(0, "request_id", ids).set_column(1, "ts", at)


def edges(name, values):
    """Deciles: the smallest value with at least so many rows at or below it."""
    ordered = np.sort(values.astype("int64" if name in make.INTEGERS else "float64"))
    return np.unique([ordered[-(-k * len(ordered) // 10) - 1] for k in range(1, 10)])


def bins():
    """The bins that driftd's `psi` is over, and how many rows of the reference are in each: between
    deciles, right-closed; or the most frequent categories, then the other ones of the reference
    where there are such, then those it has not."""
    reference = pq.read_table(FLIGHTS / "reference.parquet").to_pandas()
    found = {}
    for name in make.COLUMNS[2:]:
        values = reference[name].dropna()
        if name in make.STRINGS:
            counts = values.value_counts()
            ordered = sorted(counts.index, key=lambda value: (-counts[value], value))
            top, others = ordered[:CATEGORIES_MAX], ordered[CATEGORIES_MAX:]
            rows = [*counts[top], *([counts[others].sum()] if others else []), 0]
            found[name] = {"categories": top, "others": others, "rows": list(map(int, rows))}
        else:
            between = edges(name, values.to_numpy())
            rows = np.bincount(np.searchsorted(between, values), minlength=len(between) + 1)
            found[name] = {"edges": between.tolist(), "rows": rows.tolist()}
    return found


def files(rows, out):
    out = Path(out)
    table = live(int(rows))
    pq.write_table(table, out / "live.parquet")
    make.write_jsonl(table, out / "live.jsonl")
    (out / "bins.json").write_text(json.dumps(bins()))


def topic(brokers, name, out):
    new = NewTopic(name, PARTITIONS, 1, config={"retention.ms": "-1"})
    admin = AdminClient({"bootstrap.servers": brokers})
    admin.create_topics([new])[name].result()
    producer = Producer({"bootstrap.servers": brokers, "compression.type": "lz4", "linger.ms": 50,
                         "batch.size": 1_000_000, "queue.buffering.max.messages": 500_000})
    # the record is as old as its event, or it would be rejected as expired
    ts = pq.read_table(Path(out) / "live.parquet", columns=["ts"])["ts"].to_numpy()
    times = ts.astype("datetime64[ms]").astype("int64").tolist()
    with open(Path(out) / "live.jsonl", "rb") as lines:
        for number, (line, at) in enumerate(zip(lines, times)):
            while len(producer) > 400_000:
                producer.poll(0.01)
            producer.produce(name, line[:-1], partition=number // RUN % PARTITIONS, timestamp=at)
            producer.poll(0)
    if producer.flush(120):
        sys.exit(f"the topic {name} could not be filled in two minutes: is {brokers} still there?")


if __name__ == "__main__":
    COMMANDS = {"files": files, "topic": topic}
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    COMMANDS[sys.argv[1]](*sys.argv[2:])
