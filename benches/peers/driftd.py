"""driftd on the same work, from files and from a Kafka of its own."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from datetime import datetime, timedelta

from measure import (DAY, DAYS, FIRST_DAY, HERE, REFERENCE, ROOT, SERIES, Fault, Figure, run,
                     started, usage)

KAFKA = ROOT / "tests" / "system" / "kafka" / "kafka.sh"
MODEL, VERSION, TOPIC = "flight-delay", "1", "flights"
WAIT_S = 600
# A month is read in seconds, and one partition sooner than another: with windows kept as long as
# usual, the first counts of one would put those of the others beyond the horizon.
CONFIG = """\
[kafka]
brokers = "{brokers}"
[[source]]
topics = ["{topic}"]
[state]
home = "embedded"
dir = "{state}"
[reference]
url = "{references}"
[windows]
lengths = {windows}
keep = "32d"
[http]
listen = "127.0.0.1:{port}"
[log]
level = "warn"
"""


def training(data):
    """Where the reference is, for replay and for serve."""
    return data / "references" / MODEL / VERSION / "training.ref"


def build(driftd, data):
    training(data).parent.mkdir(parents=True, exist_ok=True)
    run([driftd, "reference", "build", "--model", MODEL, "--version", VERSION, "--output",
         training(data), REFERENCE], data / "build.log")


def figure(used, days):
    """What was used, and what the scores of all series in each day say."""
    psi = [{of["series"]: of["scores"]["psi"] for of in day if "scores" in of} for day in days]
    mean = statistics.fmean(value for day in psi for value in day.values())
    return Figure(*used, psi[DAY - 1][SERIES], mean)


def replay(driftd, data, source):
    out = data / "replay.log"
    used = run([driftd, "replay", "--reference", training(data), "--window", "24h", "--every",
                "24h", "--format", "jsonl", data / source], out)
    days = {}
    for line in filter(lambda line: line.startswith("{"), out.read_text().splitlines()):
        of = json.loads(line)
        days.setdefault(of["window"]["start"], []).append(of)
    return figure(used, list(days.values()))


@contextlib.contextmanager
def broker(data, python):
    """A Kafka with the events in a topic: where it listens."""
    with tempfile.TemporaryDirectory() as directory:
        environment = os.environ | {"KAFKA_DIR": f"{directory}/kafka"}
        subprocess.run(["bash", KAFKA, "fetch"], env=environment, check=True)
        # it ends when the pipe is closed
        with subprocess.Popen(["bash", KAFKA, "hold"], env=environment, stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True) as kafka:
            named = (line.strip().split("=") for line in kafka.stdout)
            address = next((value[1] for value in named if value[0] == "KAFKA_BOOTSTRAP"), None)
            if address is None:
                raise Fault("Kafka did not start; kafka.sh says why")
            run([python, HERE / "data.py", "topic", address, TOPIC, data], data / "topic.log")
            yield address


def ask(port, path):
    """What the API of a running driftd answers; nothing while it starts."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection), contextlib.suppress(OSError):
        connection.request("GET", f"/api/v1/{path}")
        answer = connection.getresponse()
        return json.loads(answer.read()) if answer.status == 200 else {}
    return {}


def wait(process, port, rows):
    """Until all rows are counted, each of them once and in a window."""
    counted, deadline = {}, time.monotonic() + WAIT_S
    while time.monotonic() < deadline and process.poll() is None:
        topics = ask(port, "status").get("topics", [])
        counted = {of["topic"]: of["rows"] - of["beyond_horizon"] for of in topics}
        if counted.get(TOPIC) == rows:
            return
        time.sleep(0.05)
    raise Fault(f"of {rows} rows driftd has counted {counted.get(TOPIC)}")


def scores(port, day):
    end = datetime.fromisoformat(FIRST_DAY) + timedelta(days=day)
    path = f"models/{MODEL}/versions/{VERSION}/scores?window=24h&at={end:%Y-%m-%dT00:00:00Z}"
    return ask(port, path)["scores"]


def serve(driftd, data, brokers, windows, rows):
    """From its start until all is counted and it has ended. What it has counted is asked for after
    another start, on the state that it has left, which is not measured."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    state, config, log = data / "state", data / "driftd.toml", data / "serve.log"
    shutil.rmtree(state, ignore_errors=True)
    config.write_text(CONFIG.format(brokers=brokers, topic=TOPIC, state=state, port=port,
                                    references=data / "references", windows=windows))
    command = [driftd, "serve", "--config", config]
    with started(command, log) as process:
        wait(process, port, rows)
        process.send_signal(signal.SIGTERM)
        used = usage(process, log)
    with started(command, log) as process:
        wait(process, port, rows)
        return figure(used, [scores(port, day) for day in range(1, DAYS + 1)])
