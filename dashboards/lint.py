#!/usr/bin/env python3
"""Holds the dashboards beside it to the rules of Grafana's dashboard-linter, and to some of our own.

    python3 dashboards/lint.py                 all *.json beside it; needs promtool
    python3 dashboards/lint.py --self-test     breaks a good dashboard in each way, and sees it found

The rules have the names that they have in the linter. Ours are `ours-*`: a title that is there once, a
place that no other panel takes, links to dashboards that exist, metrics that driftd has.
"""

import copy
import json
import pathlib
import re
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
DRAWN = {"stat", "gauge", "table", "timeseries", "status-history"}
# of Grafana's units, those that a panel here may have
UNITS = {
    "none", "short", "percent", "percentunit", "bytes", "s", "ms", "cps", "ops", "bool_yes_no",
    "dateTimeAsIso", "dateTimeFromNow", "string",
}
# what Grafana puts in the place of variables, or something like it
STAND_INS = {
    "$__rate_interval": "5m", "$__interval": "1m", "$__range": "1h",
    "$job": "j", "$instance": "i", "$model": "m", "$version": "v", "$series": "s", "$window": "1h",
}
METRICS = re.compile(r"\b((?:driftd|process)_[a-z0-9_]+)\b")


def known_metrics():
    """The metrics of driftd, as the README's table has them."""
    readme = (HERE.parent / "README.md").read_text()
    return set(re.findall(r"^\| `(driftd_[a-z0-9_]+)` \|", readme, re.MULTILINE))


def filled(expr):
    for name, text in STAND_INS.items():
        expr = expr.replace(name, text)
    return expr


def selectors(expr):
    """The selectors of metrics of an expression: name, matchers, and what stands around them."""
    for found in METRICS.finditer(expr):
        after = expr[found.end():]
        matchers = after[: after.index("}") + 1] if after.startswith("{") else ""
        behind = after[len(matchers):]
        yield found.group(1), matchers, expr[: found.start()], behind


def variables(board, add):
    templates = {one["name"]: one for one in board["templating"]["list"]}
    source = templates.get("datasource", {})
    if source.get("type") != "datasource" or source.get("query") != "prometheus":
        add("template-datasource-rule", "no variable `datasource` of Prometheus data sources")
    if source.get("label") != "Data source":
        add("template-datasource-rule", "the data source is not labelled `Data source`")
    for name in ("job", "instance"):
        one, rule = templates.get(name, {}), f"template-{name}-rule"
        expected = {
            "type": "query", "label": name.title(), "multi": True, "includeAll": True, "allValue": ".+",
        }
        for key, value in expected.items():
            if one.get(key) != value:
                add(rule, f"${name} has {key}={one.get(key)!r}, not {value!r}")
        if one.get("datasource", {}).get("uid") not in ("$datasource", "${datasource}"):
            add(rule, f"${name} is not of $datasource")
    for name, one in templates.items():
        if one["type"] != "query":
            continue
        if one.get("refresh") != 2:
            add("template-on-time-change-reload-rule", f"${name} is not read again with the time range")
        if not re.fullmatch(r"label_values\((.+), *([a-z]+)\)", one["query"]):
            add("template-label-promql-rule", f"${name} is no label_values(metric, label)")
    if board.get("editable") is not False:
        add("template-uneditable-rule", "it can be edited, and a provisioned one would lose that")


def panels(board, uids, add):
    titles, taken = set(), set()
    for panel in board["panels"]:
        if panel["type"] == "row":
            continue
        name = panel.get("title") or f"panel {panel.get('id')}"
        say = lambda rule, what, name=name: add(rule, f"{name}: {what}")  # noqa: E731
        if panel["type"] not in DRAWN:
            say("ours-type", f"{panel['type']} is not among {sorted(DRAWN)}")
        if not panel.get("title") or not panel.get("description"):
            say("panel-title-description-rule", "no title or no description")
        if name in titles:
            say("ours-title-once", "the title is there twice")
        titles.add(name)
        if panel.get("datasource", {}).get("uid") not in ("$datasource", "${datasource}"):
            say("panel-datasource-rule", "it is not of $datasource")
        if panel["fieldConfig"]["defaults"].get("unit") not in UNITS:
            say("panel-units-rule", f"unit {panel['fieldConfig']['defaults'].get('unit')!r}")
        if not panel.get("targets"):
            say("panel-no-targets-rule", "it asks for nothing")
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        if place["x"] + place["w"] > 24 or cells & taken:
            say("ours-place", f"it overlaps another panel or the edge: {place}")
        taken |= cells
        for uid in re.findall(r'"/d/([a-z-]+)', json.dumps(panel)):
            if uid not in uids:
                say("ours-links", f"there is no dashboard {uid}")
        for one in panel.get("targets", []):
            targets(one["expr"], say)


def targets(expr, say):
    for name, matchers, before, behind in selectors(expr):
        for label in ("job", "instance"):
            if f'{label}=~"${label}"' not in matchers:
                say(f"target-{label}-rule", f'{name} has no {label}=~"${label}"')
        ranged = behind.startswith("[")
        if ranged and not behind.startswith("[$__rate_interval]"):
            say("target-rate-interval-rule", f"{name} has a range that is not $__rate_interval")
        if name.endswith("_total") and not (ranged and re.search(r"\b(rate|irate|increase)\($", before)):
            say("target-counter-agg-rule", f"{name} is a counter without rate or increase")
        if name.startswith("driftd_") and name not in known_metrics():
            say("ours-metrics", f"driftd has no {name}")


def promql(boards, add):
    """All expressions at once, as recording rules of a file that promtool reads."""
    rules = []
    for file, board in boards.items():
        for panel in board["panels"]:
            for one in panel.get("targets", []):
                where = {"file": file, "panel": panel["title"], "ref": one["refId"]}
                rules.append({"record": "lint:expression", "expr": filled(one["expr"]), "labels": where})
        for one in board["templating"]["list"]:
            found = re.fullmatch(r"label_values\((.+), *[a-z]+\)", str(one.get("query")))
            if found:
                where = {"file": file, "panel": f"${one['name']}", "ref": "variable"}
                rules.append({"record": "lint:expression", "expr": filled(found.group(1)), "labels": where})
        for one in board["annotations"]["list"]:
            where = {"file": file, "panel": one["name"], "ref": "annotation"}
            rules.append({"record": "lint:expression", "expr": filled(one["expr"]), "labels": where})
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as out:
        # JSON is YAML
        json.dump({"groups": [{"name": "lint", "rules": rules}]}, out)
        out.flush()
        ended = subprocess.run(
            ["promtool", "check", "rules", "--lint=none", out.name], capture_output=True, text=True
        )
    if ended.returncode:
        add("target-promql-rule", (ended.stdout + ended.stderr).strip())


def faults_of(boards):
    found = []
    uids = {board["uid"] for board in boards.values()}
    for file, board in boards.items():
        add = lambda rule, what, file=file: found.append((rule, f"{file}: {what}"))  # noqa: E731
        variables(board, add)
        panels(board, uids, add)
    promql(boards, lambda rule, what: found.append((rule, what)))
    return found


def self_test(boards):
    """Each rule finds what it is there to find: a check that cannot fail is none."""
    def first(board):
        return next(panel for panel in board["panels"] if panel["type"] == "timeseries")

    def template(board, name):
        return next(one for one in board["templating"]["list"] if one["name"] == name)

    def expr(board, old, new):
        text = json.dumps(board)
        assert old in text, old
        return json.loads(text.replace(old, new))

    breaks = {
        "template-datasource-rule": lambda b: template(b, "datasource").update(label="Source"),
        "template-job-rule": lambda b: template(b, "job").update(allValue=None),
        "template-instance-rule": lambda b: template(b, "instance").update(multi=False),
        "template-label-promql-rule": lambda b: template(b, "job").update(query="driftd_ready"),
        "template-on-time-change-reload-rule": lambda b: template(b, "job").update(refresh=1),
        "template-uneditable-rule": lambda b: b.update(editable=True),
        "panel-datasource-rule": lambda b: first(b).update(datasource={"uid": "abc"}),
        "panel-title-description-rule": lambda b: first(b).update(description=""),
        "panel-units-rule": lambda b: first(b)["fieldConfig"]["defaults"].pop("unit"),
        "panel-no-targets-rule": lambda b: first(b).update(targets=[]),
        "target-promql-rule": lambda b: first(b)["targets"][0].update(expr='sum(driftd_ready{job=~"$job", instance=~"$instance"}'),
        "target-job-rule": lambda b: first(b)["targets"][0].update(expr='driftd_ready{instance=~"$instance"}'),
        "target-instance-rule": lambda b: first(b)["targets"][0].update(expr='driftd_ready{job=~"$job"}'),
        "target-rate-interval-rule": lambda b: expr(b, "[$__rate_interval]", "[5m]"),
        "target-counter-agg-rule": lambda b: expr(b, "rate(driftd_records_total", "avg_over_time(driftd_records_total"),
        "ours-type": lambda b: first(b).update(type="graph"),
        "ours-title-once": lambda b: first(b).update(title=b["panels"][0]["title"]),
        "ours-place": lambda b: first(b)["gridPos"].update(b["panels"][0]["gridPos"]),
        "ours-links": lambda b: expr(b, "/d/driftd-model", "/d/driftd-modell"),
        "ours-metrics": lambda b: expr(b, "driftd_alert_active", "driftd_alert_activ"),
    }
    for rule, break_it in breaks.items():
        broken = copy.deepcopy(boards)
        other = break_it(broken["fleet.json"])
        if isinstance(other, dict) and "panels" in other:
            broken["fleet.json"] = other
        if rule not in {name for name, _ in faults_of(broken)}:
            sys.exit(f"{rule} does not find what it is there to find")


def main():
    boards = {path.name: json.loads(path.read_text()) for path in sorted(HERE.glob("*.json"))}
    if len(boards) != 4:
        sys.exit(f"there are {len(boards)} dashboards, not 4")
    found = faults_of(boards)
    for rule, what in found:
        print(f"{rule}: {what}", file=sys.stderr)
    if found:
        sys.exit(1)
    if "--self-test" in sys.argv[1:]:
        self_test(boards)
    count = sum(len(board["panels"]) for board in boards.values())
    print(f"{len(boards)} dashboards, {count} panels and rows: nothing to complain about")


if __name__ == "__main__":
    main()
