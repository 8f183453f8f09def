#!/usr/bin/env python3
"""Writes the dashboards beside it, all of them from what stands here, so that they look alike.

    python3 dashboards/generate.py            writes fleet.json, model.json, series.json, driftd.json
    python3 dashboards/generate.py --check    says whether the files are what it would write

What of driftd comes from the state log is the same on each instance: `once` is the maximum without
the labels of an instance. Nothing here needs the recording rules of deploy/prometheus.
"""

import json
import pathlib
import sys

HERE = pathlib.Path(__file__).parent

# of each query: which driftd, then which model
WHERE = 'job=~"$job", instance=~"$instance"'
INSTANCE = "without (instance, pod, container, endpoint)"
DATASOURCE = {"type": "prometheus", "uid": "$datasource"}

GREEN, YELLOW, ORANGE, RED = "green", "yellow", "orange", "red"
# the severities of driftd, in PSI
PSI = [(None, GREEN), (0.1, YELLOW), (0.25, RED)]
ANY_IS_BAD = [(None, GREEN), (1, RED)]

PAGED = 'severity=~"warning|critical"'
CRITICAL, WARNING = 'severity="critical"', 'severity="warning"'
WORSE = 'transition=~"firing|escalated"'
PREDICTIONS = 'series=~"prediction([.].+)?"'


def metric(name, *matchers):
    """A selector of a metric of driftd."""
    return f"{name}{{{', '.join([WHERE, *matchers])}}}"


def once(selector):
    """What all instances export alike, once."""
    return f"max {INSTANCE} ({selector})"


def rate(name, *matchers):
    """The rate of a counter that all instances export alike."""
    return once(f"rate({metric(name, *matchers)}[$__rate_interval])")


def increase(name, *matchers):
    """The increase of a counter that all instances export alike."""
    return once(f"increase({metric(name, *matchers)}[$__rate_interval])")


def target(expr, legend="", instant=False, table=False):
    return {
        "datasource": DATASOURCE,
        "expr": expr,
        "legendFormat": legend,
        "instant": instant,
        "range": not instant,
        "format": "table" if table else "time_series",
        "editorMode": "code",
    }


def steps(thresholds):
    return {
        "mode": "absolute",
        "steps": [{"color": color, "value": value} for value, color in thresholds],
    }


def panel(kind, title, description, targets, unit, size, **more):
    """A panel; `size` is its width and height in Grafana's grid of 24 columns."""
    defaults = {"unit": unit, "color": {"mode": more.pop("color", "palette-classic")}}
    for key in ("min", "max", "decimals", "noValue", "mappings", "links"):
        if key in more:
            defaults[key] = more.pop(key)
    defaults["thresholds"] = steps(more.pop("thresholds", [(None, GREEN)]))
    defaults["custom"] = more.pop("custom", {})
    targets = [{**one, "refId": chr(ord("A") + n)} for n, one in enumerate(targets)]
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": more.pop("overrides", [])},
        "gridPos": {"w": size[0], "h": size[1]},
        "options": more.pop("options", {}),
        "targets": targets,
        "transformations": more.pop("transformations", []),
        **more,
    }


def stat(title, description, expr, unit="none", size=(4, 4), **more):
    options = {
        "colorMode": "value",
        "graphMode": "area" if more.pop("graph", True) else "none",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
        "textMode": "auto",
    }
    more.setdefault("color", "thresholds")
    legend = more.pop("legend", "")
    return panel(
        "stat", title, description, [target(expr, legend)], unit, size, options=options, **more
    )


def lines(title, description, targets, unit="none", size=(12, 8), **more):
    custom = {"drawStyle": "line", "lineWidth": 1, "fillOpacity": 8, "showPoints": "never"}
    custom.update(more.pop("custom", {}))
    options = {
        "legend": {"displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel(
        "timeseries", title, description, targets, unit, size,
        custom=custom, options=options, **more,
    )


def dashed(name, color=RED):
    """The override that makes a series of this name a dashed line."""
    return {
        "matcher": {"id": "byRegexp", "options": name},
        "properties": [
            {"id": "custom.lineStyle", "value": {"fill": "dash", "dash": [8, 6]}},
            {"id": "custom.fillOpacity", "value": 0},
            {"id": "color", "value": {"mode": "fixed", "fixedColor": color}},
        ],
    }


def table(title, description, targets, unit="none", size=(24, 8), **more):
    """A table: one row for each set of labels, one column for each target, merged."""
    names = more.pop("names", {})
    hidden = more.pop("hidden", [])
    order = more.pop("order", [])
    sort = more.pop("sort", None)
    hide = ["Time", "job", "cluster", "namespace", "__name__", *hidden]
    transformations = [
        {"id": "merge", "options": {}},
        {
            "id": "organize",
            "options": {
                "excludeByName": {name: True for name in hide},
                "renameByName": names,
                "indexByName": {name: place for place, name in enumerate(order)},
            },
        },
    ]
    options = {"showHeader": True, "cellHeight": "sm"}
    if sort:
        options["sortBy"] = [{"displayName": sort, "desc": True}]
    return panel(
        "table", title, description, [{**one, "format": "table"} for one in targets], unit, size,
        options=options, transformations=transformations,
        custom={"align": "auto", "filterable": True}, **more,
    )


def column(name, **properties):
    """The override of a column of a table."""
    keys = {"unit": "unit", "decimals": "decimals", "width": "custom.width", "links": "links"}
    found = [{"id": keys[key], "value": value} for key, value in properties.items() if key in keys]
    if "thresholds" in properties:
        found += [
            {"id": "thresholds", "value": steps(properties["thresholds"])},
            {"id": "custom.cellOptions", "value": {"type": "color-text"}},
        ]
    return {"matcher": {"id": "byName", "options": name}, "properties": found}


def row(title):
    return {"type": "row", "title": title, "collapsed": False, "panels": [], "gridPos": {"w": 24, "h": 1}}


def variable(name, label, query, multi=False, all_value=None):
    """A variable whose values are those of a label."""
    return {
        "type": "query",
        "name": name,
        "label": label,
        "datasource": DATASOURCE,
        "query": query,
        "definition": query,
        "refresh": 2,
        "sort": 1,
        "multi": multi,
        "includeAll": multi,
        "allValue": all_value,
        "current": {"text": ["All"], "value": ["$__all"]} if multi else {},
        "options": [],
    }


MODEL = variable("model", "Model", f"label_values(driftd_model_info{{{WHERE}}}, model)")
WINDOW = variable("window", "Window", f"label_values(driftd_window_rows{{{WHERE}}}, window)")


def version(multi):
    query = f'label_values(driftd_model_info{{{WHERE}, model="$model"}}, version)'
    return variable("version", "Version", query, multi, ".+" if multi else None)


def dashboard(uid, title, description, variables, panels):
    """The whole: panels are laid from left to right, in rows as high as the highest of them."""
    x = y = height = 0
    for number, one in enumerate(panels, 1):
        place = one["gridPos"]
        if x + place["w"] > 24 or place["w"] == 24:
            x, y, height = 0, y + height, 0
        place.update(x=x, y=y)
        x, height = x + place["w"], max(height, place["h"])
        one["id"] = number
    source = {
        "type": "datasource",
        "name": "datasource",
        "label": "Data source",
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "current": {},
        "hide": 0,
        "options": [],
    }
    job = variable("job", "Job", "label_values(driftd_build_info, job)", True, ".+")
    query = 'label_values(driftd_build_info{job=~"$job"}, instance)'
    instance = variable("instance", "Instance", query, True, ".+")
    others = [
        {"title": name, "url": f"/d/{to}", "type": "link", "icon": "dashboard",
         "keepTime": True, "includeVars": True, "targetBlank": False, "tags": [], "asDropdown": False}
        for to, name in UIDS.items() if to != uid
    ]
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": ["driftd"],
        "schemaVersion": 39,
        "version": 1,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "1m",
        "time": {"from": "now-24h", "to": "now"},
        "timezone": "utc",
        "timepicker": {},
        "annotations": {"list": [ALERTS_FIRED]},
        "links": others,
        "templating": {"list": [source, job, instance, *variables]},
        "panels": panels,
    }


UIDS = {
    "driftd-fleet": "Fleet",
    "driftd-model": "Model",
    "driftd-series": "Series",
    "driftd-self": "driftd itself",
}

ALERTS_FIRED = {
    "name": "Alerts",
    "enable": True,
    "hide": False,
    "iconColor": "red",
    "datasource": DATASOURCE,
    "expr": f"sum by (model, severity) ({increase('driftd_alerts_total', WORSE, PAGED)}) > 0",
    "titleFormat": "{{model}}: {{severity}}",
    "step": "60s",
}

TO_MODEL = [{
    "title": "Open the model",
    "url": "/d/driftd-model?${datasource:queryparam}&${job:queryparam}&${__url_time_range}"
    "&var-model=${__data.fields.model}",
}]
TO_SERIES = [{
    "title": "Open the series",
    "url": "/d/driftd-series?${datasource:queryparam}&${job:queryparam}&${__url_time_range}"
    "&var-model=${__data.fields.model}&var-version=${__data.fields.version}"
    "&var-series=${__data.fields.series}&var-window=${__data.fields.window}",
}]


def firing(title, description, *matchers, size=(24, 9)):
    """What fires, with driftd's sentences."""
    info = once(metric("driftd_alert_info", *matchers))
    return table(
        title, description, [target(info, instant=True)], size=size,
        hidden=["Value", "reference"],
        order=["severity", "model", "version", "series", "window", "test", "sentence"],
        overrides=[
            column("severity", width=90), column("model", width=140, links=TO_MODEL),
            column("version", width=90), column("series", width=160, links=TO_SERIES),
            column("window", width=80), column("test", width=90),
        ],
        noValue="nothing fires",
    )


def fleet():
    models = once(metric("driftd_model_info"))
    psi = once(metric("driftd_psi_adjusted", 'window="$window"'))
    rows = once(metric("driftd_window_rows", 'window="$window"'))
    errors = once(metric("driftd_error_ratio", 'window="$window"'))
    last = once(metric("driftd_model_last_event_timestamp_seconds"))
    alerts = once(metric("driftd_alert_active", PAGED))
    return dashboard(
        "driftd-fleet", "driftd / Fleet",
        "All models that driftd watches, the worst first.",
        [WINDOW],
        [
            stat("Models", "Models with at least one version that driftd knows.",
                 f"count(count by (model) ({models}))", graph=False),
            stat("Firing, critical", "Alerts of severity critical that fire and are not muted.",
                 f"count({once(metric('driftd_alert_active', CRITICAL))}) or vector(0)",
                 thresholds=ANY_IS_BAD),
            stat("Firing, warning", "Alerts of severity warning that fire and are not muted.",
                 f"count({once(metric('driftd_alert_active', WARNING))}) or vector(0)",
                 thresholds=[(None, GREEN), (1, ORANGE)]),
            stat("Worst PSI", "The largest adjusted PSI of any series in the last closed window of "
                 "the chosen length. From 0.1 on a test that fires is a warning, from 0.25 critical.",
                 f"max({psi})", decimals=3, thresholds=PSI),
            stat("Events", "Rows that driftd decodes each second, over all topics.",
                 f"sum({rate('driftd_rows_total')})", "cps"),
            stat("Rejected", "Share of the records that gave no rows.",
                 f"sum({rate('driftd_records_rejected_total')}) / sum({rate('driftd_records_total')})",
                 "percentunit", decimals=2, thresholds=[(None, GREEN), (0.01, ORANGE), (0.5, RED)]),
            table(
                "Models, worst first",
                "One line for each version of a model. Worst PSI is the largest adjusted PSI of its "
                "series in the last closed window of the chosen length, against any reference; rows "
                "is what that window stands on; alerts are of severity warning or critical.",
                [
                    target(f"sort_desc(max by (model, version) ({psi}))", instant=True),
                    target(f"count by (model, version) ({alerts})", instant=True),
                    target(f"max by (model, version) ({rows})", instant=True),
                    target(f"max by (model, version) ({errors})", instant=True),
                    target(f"1000 * max by (model, version) ({last})", instant=True),
                    target(f"max by (model, version, owner, reference) ({models})", instant=True),
                ],
                size=(24, 10), hidden=["Value #F"], sort="worst PSI",
                order=["model", "version", "owner", "reference", "Value #A", "Value #B", "Value #C",
                       "Value #D", "Value #E"],
                names={"Value #A": "worst PSI", "Value #B": "alerts", "Value #C": "rows",
                       "Value #D": "errors", "Value #E": "last event"},
                overrides=[
                    column("model", links=TO_MODEL),
                    column("worst PSI", decimals=3, thresholds=PSI),
                    column("alerts", thresholds=[(None, GREEN), (1, RED)]),
                    column("rows", unit="short", decimals=0),
                    column("errors", unit="percentunit", decimals=2,
                           thresholds=[(None, GREEN), (0.05, ORANGE), (0.2, RED)]),
                    column("last event", unit="dateTimeFromNow"),
                ],
            ),
            firing("What fires", "Alerts that fire and are not muted, with what driftd says of them. "
                   "Those of severity info are facts and page nobody."),
            row("All models over time"),
            lines("Worst PSI of each model", "The largest adjusted PSI of the series of a model in "
                  "the last closed window of the chosen length; the ten worst models.",
                  [target(f"topk(10, max by (model) ({psi}))", "{{model}}")],
                  decimals=3, min=0, thresholds=PSI, custom={"thresholdsStyle": {"mode": "dashed"}}),
            lines("Alerts", "Alerts that fire and are not muted, by severity.",
                  [target(f"count by (severity) ({once(metric('driftd_alert_active'))})",
                          "{{severity}}")],
                  min=0, decimals=0, custom={"drawStyle": "bars", "fillOpacity": 60,
                                             "stacking": {"mode": "normal"}}),
            lines("Rows in the window", "Rows in the last closed window of the chosen length: what "
                  "the scores stand on. Few rows make small changes invisible.",
                  [target(f"sum by (model) ({rows})", "{{model}}")], "short", min=0),
            lines("Errors", "Share of the events with a status whose status is an error, in the last "
                  "closed window of the chosen length.",
                  [target(f"max by (model) ({errors})", "{{model}}")], "percentunit", min=0),
            lines("Changes of alerts", "How many alerts fired, got worse and were over.",
                  [target(f"sum by (transition) ({increase('driftd_alerts_total')})",
                          "{{transition}}")],
                  size=(24, 7), min=0, custom={"drawStyle": "bars", "fillOpacity": 60}),
        ],
    )


def model():
    of = ['model="$model"', 'version=~"$version"']
    windowed = [*of, 'window="$window"']
    psi = once(metric("driftd_psi_adjusted", *windowed))
    worst = "topk by (version) (10, {})"
    return dashboard(
        "driftd-model", "driftd / Model",
        "One model: what moved, when, and how its versions compare.",
        [MODEL, version(True), WINDOW],
        [
            stat("Firing", "Alerts of severity warning or critical of the model that fire and are "
                 "not muted.",
                 f"count({once(metric('driftd_alert_active', *of, PAGED))})"
                 " or vector(0)", thresholds=ANY_IS_BAD),
            stat("Worst PSI", "The largest adjusted PSI of its series in the last closed window.",
                 f"max({psi})", decimals=3, thresholds=PSI),
            stat("Rows", "Rows in the last closed window, over the chosen versions.",
                 f"sum({once(metric('driftd_window_rows', *windowed))})", "short"),
            stat("Window complete", "Whether the last closed window held everything when it closed: "
                 "all of it kept and no partition left out.",
                 f"min({once(metric('driftd_window_complete', *windowed))})", "bool_yes_no",
                 graph=False, thresholds=[(None, RED), (1, GREEN)]),
            stat("Newest event", "The largest event time of the chosen versions.",
                 f"1000 * max({once(metric('driftd_model_last_event_timestamp_seconds', *of))})",
                 "dateTimeFromNow", graph=False),
            stat("Learning", "Versions that have no reference and learn one from their first rows.",
                 f"sum({once(metric('driftd_model_learning', *of))})", graph=False,
                 thresholds=[(None, GREEN), (1, ORANGE)]),
            firing("What fires", "Alerts of the model that fire and are not muted, with what driftd "
                   "says of them.", *of, size=(24, 8)),
            panel(
                "status-history", "Series over time",
                "Adjusted PSI of each series in the windows of the chosen length, the 40 that are "
                "worst now. Yellow from 0.1 on, red from 0.25: the severities of driftd.",
                [target(f"topk(40, max by (version, series) ({psi}))", "{{series}} ({{version}})")],
                "none", (24, 14), color="thresholds", thresholds=PSI, decimals=3, min=0,
                custom={"fillOpacity": 80, "lineWidth": 0}, maxDataPoints=96,
                options={"showValue": "never", "rowHeight": 0.9, "colWidth": 0.95,
                         "legend": {"showLegend": False}, "tooltip": {"mode": "single"}},
            ),
            row("What moved"),
            lines("Nearest to an alert", "log10(alpha / p) of the tests that are nearest to firing: "
                  "from 0 on, a difference that matters fires.",
                  [target(worst.format(
                      f"max by (version, series, test) ({once(metric('driftd_alert_evidence', *windowed))})"),
                      "{{series}} {{test}} ({{version}})")],
                  decimals=1, thresholds=[(None, GREEN), (0, RED)],
                  custom={"thresholdsStyle": {"mode": "line"}}),
            lines("Predictions", "Adjusted PSI of the predictions: what users of the model get.",
                  [target(f"max by (version, series) ({once(metric('driftd_psi_adjusted', *windowed, PREDICTIONS))})",
                          "{{series}} ({{version}})")],
                  decimals=3, min=0, thresholds=PSI, custom={"thresholdsStyle": {"mode": "dashed"}}),
            lines("Missing values", "Share of the rows without a value; the ten series with the most "
                  "in each version.",
                  [target(worst.format(
                      f"max by (version, series) ({once(metric('driftd_missing_ratio', *windowed))})"),
                      "{{series}} ({{version}})")], "percentunit", min=0),
            lines("Invalid and new values", "Share of the rows with a value of another type than the "
                  "reference's, and with a category that the reference never saw; the ten series "
                  "with the most in each version.",
                  [target(worst.format(
                      f"max by (version, series) ({once(metric('driftd_invalid_ratio', *windowed))})"),
                      "invalid {{series}} ({{version}})"),
                   target(worst.format(
                       f"max by (version, series) ({once(metric('driftd_novel_ratio', *windowed))})"),
                       "new {{series}} ({{version}})")], "percentunit", min=0),
            row("How calls go"),
            lines("Latency", "Quantiles of the latency that events told, in the last closed window, "
                  "at the upper edge of its bin.",
                  [target(f"max by (version, q) ({once(metric('driftd_latency_seconds', *windowed))})",
                          "q{{q}} ({{version}})")], "s", min=0),
            lines("Errors", "Share of the events with a status whose status is an error.",
                  [target(f"max by (version) ({once(metric('driftd_error_ratio', *windowed))})",
                          "{{version}}")], "percentunit", min=0),
            row("Versions side by side"),
            lines("Rows of each version", "Rows in the last closed window: how traffic moves from "
                  "one version to the next.",
                  [target(f"max by (version) ({once(metric('driftd_window_rows', *windowed))})",
                          "{{version}}")],
                  "short", min=0, custom={"stacking": {"mode": "normal"}, "fillOpacity": 30}),
            lines("Worst PSI of each version", "The largest adjusted PSI of the series of a version.",
                  [target(f"max by (version) ({psi})", "{{version}}")], decimals=3, min=0,
                  thresholds=PSI, custom={"thresholdsStyle": {"mode": "dashed"}}),
        ],
    )


def series():
    of = ['model="$model"', 'version="$version"', 'series="$series"', 'window="$window"']
    window = ['model="$model"', 'version="$version"', 'window="$window"']

    def score(name):
        return f"max by (reference) ({once(metric(name, *of))})"

    query = (f'label_values(driftd_psi{{{WHERE}, model="$model", version="$version"}}, series)')
    return dashboard(
        "driftd-series", "driftd / Series",
        "One series: its scores with the line at which it fires, and what they stand on.",
        [MODEL, version(False), variable("series", "Series", query), WINDOW],
        [
            stat("PSI", "Population stability index of the last closed window.", score("driftd_psi"),
                 decimals=3, thresholds=PSI, legend="{{reference}}"),
            stat("Evidence", "The largest log10(alpha / p) of its tests: from 0 on it fires, if the "
                 "difference matters.",
                 f"max({once(metric('driftd_alert_evidence', *of))})", decimals=1,
                 thresholds=[(None, GREEN), (0, RED)]),
            stat("Missing", "Share of the rows without a value.",
                 f"max({once(metric('driftd_missing_ratio', *of))})", "percentunit", decimals=2),
            stat("Invalid", "Share of the rows with a value of another type than the reference's.",
                 f"max({once(metric('driftd_invalid_ratio', *of))})", "percentunit", decimals=2,
                 thresholds=[(None, GREEN), (0.001, ORANGE)]),
            stat("Rows", "Rows in the last closed window.",
                 f"max({once(metric('driftd_window_rows', *window))})", "short"),
            stat("Window ends", "End of the last closed window, in event time.",
                 f"1000 * max({once(metric('driftd_window_end_timestamp_seconds', *window))})",
                 "dateTimeAsIso", graph=False),
            firing("What fires", "Alerts of the series that fire and are not muted, in windows of "
                   "any length.", 'model="$model"', 'version="$version"', 'series="$series"',
                   size=(24, 5)),
            lines("PSI and the line at which it fires", "Population stability index, the same less "
                  "what it would be without any change, and the PSI at which the series would fire "
                  "at the rows of the window (of the 1,000 series nearest to it).",
                  [target(score("driftd_psi"), "PSI, {{reference}}"),
                   target(score("driftd_psi_adjusted"), "adjusted, {{reference}}"),
                   target(score("driftd_alert_line_psi"), "alert line, {{reference}}")],
                  size=(24, 9), decimals=3, min=0, overrides=[dashed("^alert line.*")]),
            lines("Tests", "log10(alpha / p) of each test: from 0 on, a difference that matters "
                  "fires. A test that is not there is not made of such a series.",
                  [target(f"max by (test) ({once(metric('driftd_alert_evidence', *of))})", "{{test}}")],
                  decimals=1, thresholds=[(None, GREEN), (0, RED)],
                  custom={"thresholdsStyle": {"mode": "line"}}),
            lines("Distances", "Jensen-Shannon distance (0 to 1) and, of numbers, "
                  "Kolmogorov-Smirnov distance (0 to 1) at the bins' edges.",
                  [target(score("driftd_js_distance"), "Jensen-Shannon, {{reference}}"),
                   target(score("driftd_ks_distance"), "Kolmogorov-Smirnov, {{reference}}")],
                  decimals=3, min=0),
            lines("How far values moved", "Wasserstein distance in standard deviations of the "
                  "reference: how far values moved on average. Numbers only.",
                  [target(score("driftd_wasserstein_sigma"), "{{reference}}")], decimals=3, min=0),
            lines("Missing, invalid and new", "Shares of the rows without a value, with one of "
                  "another type, and with a category that the reference never saw.",
                  [target(f"max({once(metric('driftd_missing_ratio', *of))})", "missing"),
                   target(f"max({once(metric('driftd_invalid_ratio', *of))})", "invalid"),
                   target(f"max({once(metric('driftd_novel_ratio', *of))})", "new")],
                  "percentunit", min=0),
            lines("Rows over time", "Rows in the last closed window: what the scores stand on.",
                  [target(f"max({once(metric('driftd_window_rows', *window))})", "rows")], "short",
                  min=0),
            lines("Window complete", "1 where the window held everything when it closed, else 0.",
                  [target(f"max({once(metric('driftd_window_complete', *window))})", "complete")],
                  "bool_yes_no", min=0, max=1),
        ],
    )


def itself():
    by_partition = "max by (topic, partition) ({})"
    own = "{{instance}}"
    return dashboard(
        "driftd-self", "driftd / driftd itself",
        "Whether driftd reads, counts and keeps up, and what it had to leave out.",
        [],
        [
            stat("Instances ready", "Instances that have folded the state log to its end.",
                 f"sum({metric('driftd_ready')})", graph=False,
                 thresholds=[(None, RED), (1, GREEN)]),
            stat("Version", "Versions of driftd that run.",
                 f"count by (version) ({metric('driftd_build_info')})", legend="{{version}}",
                 graph=False, size=(4, 4)),
            stat("Event time is behind by", "How far event time is behind the clock. A stream whose "
                 "events are not of now is always behind.",
                 f"time() - max({metric('driftd_event_timestamp_seconds')})", "s"),
            stat("Records not read", "Over all partitions.",
                 f"sum({metric('driftd_consumer_lag_records')})", "short"),
            stat("Partitions not read", "Partitions that driftd stopped reading, and those that it no "
                 "longer waits for.",
                 f"(count({metric('driftd_partition_stopped')}) or vector(0))"
                 f" + max({metric('driftd_partitions_left_out')})", thresholds=ANY_IS_BAD),
            stat("Series left out", "Score series that are not exported, since there are more than "
                 "limits.metric_series_max.",
                 f"max({metric('driftd_series_omitted')})", "short",
                 thresholds=[(None, GREEN), (1, ORANGE)]),
            row("Input"),
            lines("Records and rows", "What is counted each second, by topic.",
                  [target(f"sum by (topic) ({rate('driftd_records_total')})", "records of {{topic}}"),
                   target(f"sum by (topic) ({rate('driftd_rows_total')})", "rows of {{topic}}")],
                  "cps", min=0),
            lines("Records not read by partition", "Records of each partition that are not read yet.",
                  [target(by_partition.format(metric("driftd_consumer_lag_records")),
                          "{{topic}} {{partition}}")], "short", min=0),
            lines("Rejected records", "Records that gave no rows, by reason.",
                  [target(f"sum by (topic, reason) ({rate('driftd_records_rejected_total')})",
                          "{{topic}} {{reason}}")], "cps", min=0),
            lines("Rows with a story", "Rows that were late (and are counted), that are too old or "
                  "too far ahead for every window, and of models that are not let in; records that "
                  "Kafka's retention took before they were read.",
                  [target(f"sum by (topic) ({rate('driftd_rows_late_total')})", "late, {{topic}}"),
                   target(f"sum by (topic) ({rate('driftd_rows_beyond_horizon_total')})",
                          "beyond the horizon, {{topic}}"),
                   target(f"sum by (topic) ({rate('driftd_rows_unadmitted_total')})",
                          "not let in, {{topic}}"),
                   target(f"sum by (topic) ({rate('driftd_records_lost_total')})", "lost, {{topic}}")],
                  "cps", min=0),
            lines("Event time of the partitions", "How far the event time of each partition is behind "
                  "the clock.",
                  [target(f"time() - {by_partition.format(metric('driftd_watermark_timestamp_seconds'))}",
                          "{{topic}} {{partition}}"),
                   target(f"time() - max({metric('driftd_event_timestamp_seconds')})", "all of them")],
                  "s"),
            lines("Dead letters", "Rejected records that could not be copied to the dead-letter "
                  "topic.",
                  [target(f"sum by (instance) (rate({metric('driftd_dead_letters_failed_total')}[$__rate_interval]))", own)],
                  "cps", min=0),
            row("State log and journal"),
            lines("Deltas", "Deltas in the state log: accepted ones were counted; superseded ones had "
                  "been counted before and had no effect, as after a restart or a rebalance.",
                  [target(f"sum by (result) ({rate('driftd_state_records_total')})", "{{result}}")],
                  "cps", min=0),
            lines("Failed appends", "Appends to the state log and to the journal that failed and are "
                  "tried again.",
                  [target(f"sum by (instance) (rate({metric('driftd_state_append_errors_total')}[$__rate_interval]))",
                          "state log, {{instance}}"),
                   target(f"sum by (instance) (rate({metric('driftd_journal_append_errors_total')}[$__rate_interval]))",
                          "journal, {{instance}}")], "cps", min=0),
            lines("State log not folded", "Records of the state log that an instance has not folded "
                  "yet: while there are many, what it shows is old.",
                  [target(f"max by (instance) ({metric('driftd_fold_lag_records')})", own)], "short",
                  min=0),
            lines("Newest record of the state log", "How far the newest folded record is behind the "
                  "clock of Prometheus.",
                  [target(f"time() - max by (instance) ({metric('driftd_state_timestamp_seconds')})", own)], "s"),
            lines("Age of the newest snapshot", "How far the newest snapshot that an instance knows of is "
                  "behind the clock: a start folds what came since.",
                  [target(f"time() - max by (instance) ({metric('driftd_snapshot_timestamp_seconds')})", own)], "s"),
            lines("Failed snapshots", "Snapshots that an instance could not write; the state log keeps "
                  "what they would have replaced.",
                  [target(f"sum by (instance) (increase({metric('driftd_snapshot_errors_total')}[$__rate_interval]))", own)],
                  min=0),
            lines("Journal", "Entries a minute, and those that are not in its home yet.",
                  [target(f"60 * max({rate('driftd_journal_entries_total')})", "entries a minute"),
                   target(f"max by (instance) ({metric('driftd_journal_unwritten_entries')})",
                          "unwritten, {{instance}}"),
                   target(f"max by (instance) ({metric('driftd_journal_diverged')})",
                          "diverged, {{instance}}")], min=0),
            lines("Limits", "How often a limit kept something out, in an interval.",
                  [target(f"sum by (limit) ({increase('driftd_limit_hits_total')})", "{{limit}}")],
                  min=0),
            row("Process"),
            lines("CPU", "Cores in use.",
                  [target(f"sum by (instance) (rate({metric('process_cpu_seconds_total')}[$__rate_interval]))", own)],
                  min=0, decimals=2),
            lines("Memory", "Resident memory; the counts, which `limits.state_bytes_max` bounds, and the files of "
                            "`state.spill_dir` that packed ones of them are in.",
                  [target(f"max by (instance) ({metric('process_resident_memory_bytes')})", "resident, {{instance}}"),
                   target(f"sum by (instance) ({metric('driftd_memory_bytes')})", "counts, {{instance}}"),
                   target(f"max by (instance) ({metric('driftd_spilled_bytes')})", "files, {{instance}}")],
                  "bytes", min=0),
            lines("File descriptors", "Open file descriptors, and how many there may be.",
                  [target(f"max by (instance) ({metric('process_open_fds')})", "open, {{instance}}"),
                   target(f"max by (instance) ({metric('process_max_fds')})", "limit, {{instance}}")],
                  min=0, overrides=[dashed("^limit.*")]),
            lines("Running for", "Time since the process began.",
                  [target(f"time() - max by (instance) ({metric('process_start_time_seconds')})", own)],
                  "s", min=0),
        ],
    )


def main():
    files = {"fleet": fleet(), "model": model(), "series": series(), "driftd": itself()}
    stale = []
    for name, content in files.items():
        path = HERE / f"{name}.json"
        text = json.dumps(content, indent=2) + "\n"
        if "--check" not in sys.argv[1:]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        sys.exit(f"not what generate.py writes: {', '.join(stale)}; run python3 dashboards/generate.py")


if __name__ == "__main__":
    main()
