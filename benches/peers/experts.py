#!/usr/bin/env python3
"""What somebody who knows DuckDB or polars would write: the bins are known, each column is read
once and counted by day and bin, and then all days are scored. See measure.py for how it is run:

    experts.py JOB DIRECTORY

Of several ways to write either, these took the least CPU. DuckDB: its own binned histograms, and
categories that get their bins after they were counted; not one grouping set a column, cases, or
sums of comparisons. Polars: sums of comparisons, which are vectorized, and one number of day and
bin for `bincount`; not `cut`, `search_sorted` or a group-by a column.
"""

import numpy as np

from measure import DAY, DAYS, FIRST_DAY, SERIES, bins, main

FIRST = int(np.datetime64(FIRST_DAY).astype(int))
OUTSIDE = ["prediction", "latency_ms"]                            # of the object of features


def psi(reference, counts):
    """By day, of counts in (day, bin); smoothed as driftd does it, and no number without rows."""
    reference, rows = np.array(reference), counts.sum(axis=1, keepdims=True)
    half = len(reference) / 2
    p = (reference + 0.5) / (reference.sum() + half)
    q = (counts + 0.5) / (rows + half)
    return np.where(rows[:, 0] > 0, ((q - p) * np.log(q / p)).sum(axis=1), np.nan)


def score(columns, counts):
    """All series by day; of it what is looked at, and the mean."""
    scores = {name: psi(columns[name]["rows"], counts[name]) for name in columns}
    return scores[SERIES][DAY - 1], np.nanmean(list(scores.values()))


def sql_type(of):
    if "categories" in of:
        return "VARCHAR"
    return "BIGINT" if isinstance(of["edges"][0], int) else "DOUBLE"


def duckdb_work(columns, connection):
    """Counts and scores what is in the table or view `live`."""
    day = f"(epoch_us(ts) // 86400000000 - {FIRST})::INTEGER AS day"
    numbers = [name for name in columns if "edges" in columns[name]]
    histograms = [f"histogram({name}, {columns[name]['edges']}::{sql_type(columns[name])}[])"
                  for name in numbers]
    counts = {name: np.zeros((DAYS, len(columns[name]["rows"])), int) for name in columns}
    by_day = connection.execute(f"SELECT {day}, {', '.join(histograms)} FROM live GROUP BY day")
    for at, *row in by_day.fetchall():
        for name, histogram in zip(numbers, row):
            histogram = histogram or {}                           # no value in all the day
            within = [histogram.get(edge, 0) for edge in columns[name]["edges"]]
            counts[name][at] = [*within, sum(histogram.values()) - sum(within)]
    for name in columns.keys() - numbers:
        new = len(columns[name]["rows"]) - 1
        by_bin = connection.execute(f"""
            SELECT day, coalesce(bin, {new}), sum(rows)::BIGINT
            FROM (SELECT {day}, {name} AS value, count(*) AS rows FROM live
                  WHERE {name} IS NOT NULL GROUP BY day, value)
            LEFT JOIN {name}_bins USING (value) GROUP BY ALL""")
        for at, into, rows in by_bin.fetchall():
            counts[name][at, into] = rows
    return score(columns, counts)


def duckdb_connection(columns):
    import duckdb

    connection = duckdb.connect()
    connection.execute("SET preserve_insertion_order = false")
    for name, of in columns.items():
        if "categories" in of:
            values = [*of["categories"], *of["others"]]
            into = [min(at, len(of["categories"])) for at in range(len(values))]
            connection.execute(f"CREATE TABLE {name}_bins AS SELECT unnest($1) AS value,"
                               " unnest($2) AS bin", [values, into])
    return connection


def duckdb_parquet(directory):
    columns = bins(directory)
    connection = duckdb_connection(columns)

    def work():
        connection.execute(f"CREATE VIEW live AS FROM '{directory / 'live.parquet'}'")
        return duckdb_work(columns, connection)

    return work


def duckdb_json(directory):
    columns = bins(directory)
    connection = duckdb_connection(columns)
    features = [f"{name} {sql_type(columns[name])}" for name in columns if name not in OUTSIDE]

    def work():
        connection.execute(f"""
            CREATE TEMP TABLE live AS SELECT ts, features.*, prediction, latency_ms
            FROM read_ndjson('{directory / 'live.jsonl'}', columns = {{
                ts: 'TIMESTAMP', features: 'STRUCT({', '.join(features)})',
                prediction: 'DOUBLE', latency_ms: 'DOUBLE'}})""")
        return duckdb_work(columns, connection)

    return work


def polars_work(columns, rows):
    """Counts and scores a lazy frame."""
    import polars as pl

    def number(name, edges):
        into = sum((pl.col(name) > edge).cast(pl.UInt8) for edge in edges)
        return into.fill_null(len(edges) + 1)

    def category(name, of):
        values = pl.Enum([*of["categories"], *of["others"]])
        new = len(of["rows"]) - 1
        known = pl.col(name).cast(values, strict=False).to_physical().cast(pl.UInt32)
        into = known.clip(upper_bound=len(of["categories"])).fill_null(new)
        return pl.when(pl.col(name).is_null()).then(new + 1).otherwise(into)

    def place(name, of):
        # what is missing is counted behind the last bin
        into = number(name, of["edges"]) if "edges" in of else category(name, of)
        return (day * (len(of["rows"]) + 1) + into).cast(pl.UInt32).alias(name)

    day = (pl.col("ts").dt.epoch("d") - FIRST).cast(pl.UInt32)
    places = rows.select(place(*column) for column in columns.items()).collect(engine="streaming")
    counts = {}
    for name, of in columns.items():
        width = len(of["rows"]) + 1
        found = np.bincount(places[name].to_numpy(), minlength=DAYS * width)
        counts[name] = found.reshape(DAYS, width)[:, :-1]
    return score(columns, counts)


def polars_parquet(directory):
    import polars as pl

    columns = bins(directory)
    return lambda: polars_work(columns, pl.scan_parquet(directory / "live.parquet"))


def polars_json(directory):
    import polars as pl

    columns = bins(directory)
    types = {"VARCHAR": pl.String, "BIGINT": pl.Int64, "DOUBLE": pl.Float64}
    features = {name: types[sql_type(columns[name])] for name in columns if name not in OUTSIDE}
    schema = {"ts": pl.String, "features": pl.Struct(features)}
    schema |= {name: pl.Float64 for name in OUTSIDE}

    def work():
        events = pl.scan_ndjson(directory / "live.jsonl", schema=schema)
        ts = pl.col("ts").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit="us")
        return polars_work(columns, events.select(ts, pl.col("features").struct.unnest(), *OUTSIDE))

    return work


if __name__ == "__main__":
    main({
        "duckdb-parquet": duckdb_parquet, "duckdb-json": duckdb_json,
        "polars-parquet": polars_parquet, "polars-json": polars_json,
    })
