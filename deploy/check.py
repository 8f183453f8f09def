#!/usr/bin/env python3
"""What the files in deploy promise each other, held by reading them; needs PyYAML.

    python3 deploy/check.py                        files that are read as they are
    helm template .. | python3 deploy/check.py -   what the chart makes of them, too
"""

import json
import pathlib
import re
import sys

import yaml

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
RUNBOOKS = "https://github.com/driftd/driftd/blob/main/deploy/runbooks/"


class Faults(list):
    def unless(self, holds, what):
        if not holds:
            self.append(what)


def load(path):
    return yaml.safe_load((HERE / path).read_text())


def rules_of(path="prometheus/rules.yaml"):
    return [rule for group in load(path)["groups"] for rule in group["rules"]]


def rules(faults):
    known = set(re.findall(r"^\| `(driftd_\w+)` \|", (ROOT / "README.md").read_text(), re.MULTILINE))
    recorded = {rule["record"] for rule in rules_of() if "record" in rule}
    alerts = [rule for rule in rules_of() if "alert" in rule]
    for rule in rules_of():
        name = rule.get("alert") or rule["record"]
        for used in re.findall(r"[a-z:]*\bdriftd_[a-z0-9_:]+", rule["expr"] + str(rule.get("annotations"))):
            faults.unless(used in known | recorded, f"{name}: there is no metric {used}")
    for rule in alerts:
        name, says = rule["alert"], rule.get("annotations", {})
        faults.unless(rule["labels"].get("severity") in ("warning", "critical"), f"{name}: severity")
        faults.unless("keep_firing_for" in rule, f"{name}: a failed scrape would end it")
        for key in ("summary", "description", "path"):
            faults.unless(says.get(key), f"{name}: no {key}")
        faults.unless(says.get("runbook_url") == f"{RUNBOOKS}{name}.md", f"{name}: another runbook")
    names = {rule["alert"] for rule in alerts}
    books = {path.stem for path in (HERE / "runbooks").glob("*.md")}
    faults.unless(names == books, f"alerts and runbooks differ: {sorted(names ^ books)}")
    tested(faults, alerts)
    for book in books:
        text = (HERE / "runbooks" / f"{book}.md").read_text()
        for part in ("What it means", "Look here first", "Likely causes", "What to do", "Silence it"):
            faults.unless(f"\n## {part}\n" in text, f"{book}.md: no part {part!r}")
        for link in re.findall(r"\]\(([\w.]+)(?:#[\w-]+)?\)", text):
            faults.unless((HERE / "runbooks" / link).exists(), f"{book}.md: there is no {link}")


def tested(faults, alerts):
    """Each alert fires in a test at each of its severities, and is quiet in one."""
    fires, quiet = set(), set()
    for case in load("prometheus/rules_test.yaml")["tests"]:
        for test in case.get("alert_rule_test", []):
            if not test["exp_alerts"]:
                quiet.add(test["alertname"])
            for expected in test["exp_alerts"]:
                fires.add((test["alertname"], expected["exp_labels"]["severity"]))
    for rule in alerts:
        name = (rule["alert"], rule["labels"]["severity"])
        faults.unless(name in fires, f"{name}: no test in which it fires")
        faults.unless(name[0] in quiet, f"{name[0]}: no test in which it is quiet")


def yaml_files(faults):
    for path in sorted(HERE.rglob("*.yaml")):
        if "templates" not in path.parts:
            try:
                yaml.safe_load(path.read_text())
            except yaml.YAMLError as error:
                faults.append(f"{path.relative_to(ROOT)}: {error}")


def compose(faults):
    """What is mounted is there, and who is waited for too."""
    services = load("compose/compose.yaml")["services"]
    for name, service in services.items():
        for volume in service.get("volumes", []):
            source = volume.split(":")[0]
            if source.startswith("."):
                faults.unless((HERE / "compose" / source).exists(), f"compose: {name}: no {source}")
        for other in service.get("depends_on", {}):
            faults.unless(other in services, f"compose: {name} waits for {other}")
        faults.unless(
            all(port.startswith("127.0.0.1:") for port in service.get("ports", [])),
            f"compose: {name} is open to the network",
        )
    jobs = [job["job_name"] for job in load("compose/prometheus.yaml")["scrape_configs"]]
    faults.unless("driftd" in jobs, "compose: no job `driftd`")


def chart(faults, text):
    """What `helm template` made, with everything enabled."""
    documents = [one for one in yaml.safe_load_all(text) if one]
    kinds = {one["kind"] for one in documents}
    wanted = {
        "ConfigMap", "Deployment", "NetworkPolicy", "PodDisruptionBudget", "PodMonitor", "PrometheusRule",
        "Service", "ServiceAccount",
    }
    faults.unless(wanted <= kinds, f"chart: no {sorted(wanted - kinds)}")
    for one in documents:
        if one["kind"] == "PrometheusRule":
            faults.unless(one["spec"] == load("prometheus/rules.yaml"), "chart: other rules")
        if "-dashboard-" in one["metadata"]["name"]:
            name = one["metadata"]["name"].rpartition("-")[2]
            (board,) = one["data"].values()
            wanted = json.loads((ROOT / "dashboards" / f"{name}.json").read_text())
            faults.unless(json.loads(board) == wanted, f"chart: another dashboard {name}")
        if one["kind"] == "Deployment":
            (container,) = one["spec"]["template"]["spec"]["containers"]
            faults.unless(
                container["readinessProbe"]["httpGet"]["path"] == "/-/ready"
                and container["livenessProbe"]["httpGet"]["path"] == "/-/healthy"
                and container["securityContext"]["readOnlyRootFilesystem"],
                "chart: probes or security of the container",
            )


def main():
    faults = Faults()
    yaml_files(faults)
    rules(faults)
    compose(faults)
    if "-" in sys.argv[1:]:
        chart(faults, sys.stdin.read())
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
