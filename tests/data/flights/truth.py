#!/usr/bin/env python3
"""What driftd must say about the flights, computed from the raw rows and by definition.

It shares no code with driftd and takes no shortcut that driftd takes: it sorts, it counts, and it
compares whole samples. It needs numpy, scipy, pandas and pyarrow (made with 2.4, 1.17, 3.1, 26.0):

    python3 truth.py . > truth.json        # the directory of reference.parquet and live.parquet

The reference is all of reference.parquet. A window [end - length, end) holds the live rows with a
`ts` in it. Value scores count present values only; `rows` includes the missing ones.

    series.<name>.bins       display bins: numeric, the edges between them (right-closed, both ends
                             open); categorical, the categories, then "other" where the reference
                             has more than 100, then "new"
    series.<name>.reference  rows of the reference in these bins
    windows[].series.<name>  [missing, rows in these bins, scores in the order of `scores`];
                             no scores where there is no value
    psi                      Jeffreys smoothing (c + 1/2) / (n + B/2), natural logarithm
    psi_bias                 (B - 1) (1/n + 1/m), the first order of what two samples of the same
                             distribution score
    js_distance_bits, l_infinity, hellinger   over the same bins, without smoothing
    ks                       the two-sample statistic of the raw values
    wasserstein_sigma        by definition over the stored bins, in units of the reference's sd
    wasserstein_sigma_raw    of the raw values
    wasserstein_sigma_bound  how far these two can lie apart: what it costs to move every value of
                             both samples to the representative of its stored bin
    auc                      P(reference < current) + P(equal) / 2 over the stored bins
"""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

CATEGORICAL = ["carrier", "origin", "dest", "tailnum"]
NUMERIC = ["sched_dep_time", "sched_arr_time", "distance", "air_time", "dep_delay", "month",
           "day_of_week", "hour", "temp", "dewp", "humid", "wind_speed", "wind_gust", "precip",
           "pressure", "visib", "prediction", "latency_ms"]
SCORES = {
    "numeric": ["psi", "psi_bias", "js_distance_bits", "l_infinity", "hellinger", "ks",
                "wasserstein_sigma", "wasserstein_sigma_raw", "wasserstein_sigma_bound", "auc"],
    "categorical": ["psi", "psi_bias", "js_distance_bits", "l_infinity", "hellinger"],
}
CATEGORIES_MAX = 100
STORED_BINS = 100

# Days that are not like others, in UTC: the first and the last, the clock changes in New York,
# holidays, and storms that emptied the airports.
DAYS = ["2013-03-01", "2013-03-08", "2013-03-10", "2013-03-31", "2013-05-23", "2013-05-27",
        "2013-07-04", "2013-07-28", "2013-09-02", "2013-09-12", "2013-11-03", "2013-11-28",
        "2013-12-05", "2013-12-10", "2013-12-25", "2013-12-31"]
DAYS_EVERY, DAYS_FEWEST, DAYS_MOST = 11, 4, 2
# Ends of shorter windows: a busy evening, a night without flights at its edge, a storm.
ENDS_6H = ["2013-03-15T18:00:00Z", "2013-06-30T23:00:00Z", "2013-09-13T02:00:00Z",
           "2013-12-24T12:00:00Z"]
ENDS_1H = ["2013-04-02T12:10:00Z", "2013-07-22T22:30:00Z", "2013-09-12T21:50:00Z",
           "2013-11-29T13:00:00Z"]
DAY_S = 86_400


# -- bins: built from the reference alone ----------------------------------------------------------

def quantile(ordered, k, of):
    """Inverted CDF: the smallest value with at least k/of of the sample at or below it."""
    return ordered[-(-k * len(ordered) // of) - 1]


def display_edges(values):
    ordered = np.sort(values)
    return np.unique([quantile(ordered, k, 10) for k in range(1, 10)])


def stored_edges(values):
    """Percentiles, point bins (pred(v), v] for the atoms, and the ends of the sample."""
    ordered = np.sort(values)
    distinct, rows = np.unique(values, return_counts=True)
    if len(distinct) <= 2 * STORED_BINS:
        atoms = distinct
    else:
        atoms = distinct[rows * 2 * STORED_BINS >= len(values)]
    edges = [quantile(ordered, k, STORED_BINS) for k in range(1, STORED_BINS)]
    edges += [*np.nextafter(atoms, -np.inf), *atoms]
    edges += [np.nextafter(ordered[0], -np.inf), ordered[0], ordered[-1]]
    return np.unique(edges)


def bin_of(edges, values):
    """The number of edges below the value."""
    return np.searchsorted(edges, values, side="left")


def representatives(edges, values):
    """The mean of the reference's values in each stored bin. Where a bin has none, its edge that is
    nearer to the mean of all, if both are the lower; the minimum and maximum in the end bins."""
    mean, bins = math.fsum(values) / len(values), bin_of(edges, values)
    points = [values.min()]
    for lower, upper in zip(edges, edges[1:]):
        points.append(upper if upper - mean < mean - lower else lower)
    points.append(values.max())
    for j in np.unique(bins):
        inside = values[bins == j]
        points[j] = math.fsum(inside) / len(inside)
    return np.array(points)


def top_categories(values):
    """The most frequent first, ties by bytes."""
    rows = values.value_counts()
    return sorted(rows.index, key=lambda name: (-rows[name], name.encode()))


# -- scores: of two vectors of counts --------------------------------------------------------------

def psi(reference, current):
    m, n, bins = reference.sum(), current.sum(), len(reference)
    p = (reference + 0.5) / (m + bins / 2)
    q = (current + 0.5) / (n + bins / 2)
    return math.fsum((q - p) * np.log1p((q - p) / p))


def over_bins(reference, current):
    """The scores that numeric and categorical series have in common."""
    m, n = int(reference.sum()), int(current.sum())
    p, q = reference / m, current / n
    mid = (p + q) / 2
    def divergence(a):
        return math.fsum(x * math.log2(x / y) for x, y in zip(a, mid) if x > 0)
    js = (divergence(p) + divergence(q)) / 2
    return [
        psi(reference, current),
        (len(reference) - 1) * (1 / n + 1 / m),
        math.sqrt(max(0.0, js)),
        float(np.abs(p - q).max()),
        math.sqrt(math.fsum((np.sqrt(p) - np.sqrt(q)) ** 2) / 2),
    ]


def two_sample_ks(reference, current):
    """max |F - G| over the line, from the raw values."""
    line = np.concatenate([reference, current])
    f = np.searchsorted(np.sort(reference), line, side="right") / len(reference)
    g = np.searchsorted(np.sort(current), line, side="right") / len(current)
    return float(np.abs(f - g).max())


class Numeric:
    """One numeric series and its reference."""

    kind = "numeric"

    def __init__(self, reference):
        self.values = reference.dropna().to_numpy(dtype=float) + 0.0   # -0.0 becomes 0.0
        self.edges = display_edges(self.values)
        self.stored = stored_edges(self.values)
        self.points = representatives(self.stored, self.values)
        self.sd = float(np.std(self.values))
        self.reference = self.count(self.values)

    def count(self, values):
        return np.bincount(bin_of(self.edges, values), minlength=len(self.edges) + 1)

    def bins(self):
        return [float(edge) for edge in self.edges]

    def window(self, column):
        values = column.dropna().to_numpy(dtype=float) + 0.0
        counts = self.count(values)
        if len(values) == 0:
            return counts, []
        return counts, [*over_bins(self.reference, counts), *self.over_values(values)]

    def over_values(self, values):
        reference_bins, current_bins = bin_of(self.stored, self.values), bin_of(self.stored, values)
        bins = len(self.points)
        p = np.bincount(reference_bins, minlength=bins) / len(self.values)
        q = np.bincount(current_bins, minlength=bins) / len(values)
        # F and G from whole counts, so that equal shares are equal
        f = np.cumsum(np.bincount(reference_bins, minlength=bins)) / len(self.values)
        g = np.cumsum(np.bincount(current_bins, minlength=bins)) / len(values)
        w1 = math.fsum(np.abs(f - g)[:-1] * np.diff(self.points)) / self.sd
        raw = stats.wasserstein_distance(self.values, values) / self.sd
        bound = (np.abs(self.values - self.points[reference_bins]).mean()
                 + np.abs(values - self.points[current_bins]).mean()) / self.sd
        assert abs(w1 - raw) <= bound + 1e-12, (w1, raw, bound)
        auc = math.fsum(q * (f - p / 2))
        return [two_sample_ks(self.values, values), w1, raw, bound, auc]


class Categorical:
    """One categorical series and its reference."""

    kind = "categorical"

    def __init__(self, reference):
        ordered = top_categories(reference)
        self.categories, self.others = ordered[:CATEGORIES_MAX], set(ordered[CATEGORIES_MAX:])
        self.reference = self.count(reference.dropna())

    def bins(self):
        return [*self.categories, *(["other"] if self.others else []), "new"]

    def count(self, values):
        rows = values.value_counts().to_dict()
        counts = [rows.pop(name, 0) for name in self.categories]
        if self.others:
            counts.append(sum(rows.pop(name) for name in list(rows) if name in self.others))
        return np.array([*counts, sum(rows.values())])

    def window(self, column):
        counts = self.count(column.dropna())
        return counts, over_bins(self.reference, counts) if counts.sum() else []


# -- windows ---------------------------------------------------------------------------------------

def seconds(time):
    return int(pd.Timestamp(time).timestamp())


def whole_windows(length_s, ts, every=1):
    """Every n-th of the windows that tile the live data, ending at multiples of length / 6."""
    step = length_s // 6
    end = -(-(int(ts[0]) + length_s) // step) * step
    ends = range(end, int(ts[-1]) + 1, length_s)
    return list(ends)[::every]


def day_ends(ts):
    """Ends of the days: those in the list, every n-th, those with the fewest and the most rows."""
    days, rows = np.unique(ts // DAY_S, return_counts=True)
    days, rows = days[:-1], rows[:-1]                       # the last one is not over
    order = np.argsort(rows, kind="stable")
    chosen = {seconds(f"{day}T00:00:00Z") // DAY_S for day in DAYS}
    chosen |= set(days[::DAYS_EVERY].tolist())
    chosen |= set(days[order[:DAYS_FEWEST]].tolist()) | set(days[order[-DAYS_MOST:]].tolist())
    return [(day + 1) * DAY_S for day in sorted(chosen)]


def windows(ts):
    """(length, seconds, end) of each window."""
    yield from (("24h", DAY_S, end) for end in day_ends(ts))
    yield from (("1h", 3600, seconds(end)) for end in ENDS_1H)
    yield from (("6h", 6 * 3600, seconds(end)) for end in ENDS_6H)
    yield from (("7d", 7 * DAY_S, end) for end in whole_windows(7 * DAY_S, ts, every=5))
    yield from (("28d", 28 * DAY_S, end) for end in whole_windows(28 * DAY_S, ts))


def rfc3339(second):
    return pd.Timestamp(second, unit="s").strftime("%Y-%m-%dT%H:%M:%SZ")


def main(directory):
    reference = pd.read_parquet(Path(directory) / "reference.parquet")
    live = pd.read_parquet(Path(directory) / "live.parquet")
    ts = live["ts"].dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype("int64")
    assert (np.diff(ts) >= 0).all()
    series = {name: Numeric(reference[name]) for name in NUMERIC}
    series |= {name: Categorical(reference[name]) for name in CATEGORICAL}
    result = []
    for length, length_s, end in windows(ts):
        assert end % (length_s // 6) == 0, (length, rfc3339(end))
        first, last = np.searchsorted(ts, [end - length_s, end])
        rows, scored = live.iloc[first:last], {}
        for name, one in series.items():
            counts, scores = one.window(rows[name])
            missing = int(rows[name].isna().sum())
            assert counts.sum() + missing == len(rows)
            scored[name] = [missing, counts.tolist(), [float(x) for x in scores]]
        result.append({"length": length, "end": rfc3339(end), "rows": len(rows), "series": scored})
    header = {
        name: {"kind": one.kind, "missing": int(reference[name].isna().sum()),
               "bins": one.bins(), "reference": one.reference.tolist()}
        for name, one in series.items()
    }
    print('{"reference_rows":%d,"live_rows":%d,' % (len(reference), len(live)))
    print(f'"scores":{dumps(SCORES)},"series":{{')
    print(",\n".join(f'"{name}":{dumps(one)}' for name, one in header.items()))
    print('},"windows":[')
    print(",\n".join(dumps(window) for window in result))
    print("]}")


def dumps(value):
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
