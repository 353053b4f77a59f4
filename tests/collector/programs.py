"""The programs that stand behind the shipped files: found, started, asked and stopped.

A program is what `COMPACT_TEST_OTELCOL`, `_JAEGER`, `_PROMETHEUS` or `_PROMTOOL` names, or it is on
the path. `bash .ci/run collector` builds what is not there. Every port is a free one.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "collector"
SERVICE = "support"
REQUIRED = os.environ.get("COMPACT_TEST_REQUIRED", "").split(",")
"""Where programs were made for the tests it is an error if one is not there."""

PATIENCE_S = 60
"""Far above what a program takes to start here, on two busy cores."""

_ON_PATH = {
    "OTELCOL": "otelcol-compact",
    "JAEGER": "jaeger",
    "PROMETHEUS": "prometheus",
    "PROMTOOL": "promtool",
}


def find(name):
    """Return a program's path, or None."""
    return shutil.which(os.environ.get(f"COMPACT_TEST_{name}") or _ON_PATH[name])


def program(name):
    """Return a program's path; without it the test is skipped, or fails where it is required."""
    found = find(name)
    if found is None:
        missing = (
            f"without {_ON_PATH[name]} (COMPACT_TEST_{name}); `bash .ci/run collector` makes it"
        )
        if name in REQUIRED:
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def free_ports(count):
    """Return ports that nobody listens on."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [server.getsockname()[1] for server in taken]


def get(url, **query):
    """Return the body of an answer as text."""
    where = f"{url}?{urllib.parse.urlencode(query)}" if query else url
    try:
        with urllib.request.urlopen(where, timeout=10) as answer:
            return answer.read().decode()
    except urllib.error.HTTPError as error:
        error.close()
        raise


def get_json(url, **query):
    return json.loads(get(url, **query))


def wait_for(what, found, *, process=None, log=None):
    """Return what `found` returns as soon as that is something; it may fail on the way."""
    until, problem = time.monotonic() + PATIENCE_S, None
    while time.monotonic() < until:
        if process is not None and process.poll() is not None:
            break
        try:
            if seen := found():
                return seen
        except (OSError, LookupError, ValueError) as error:
            problem = error
        time.sleep(0.1)
    said = log.read_text()[-3000:] if log else ""
    raise AssertionError(f"no {what} within {PATIENCE_S} s: {problem}\n{said}")


@contextlib.contextmanager
def running(command, ready, log, grace_s=20, **environment):
    """Run a program until the block ends; enter it when `ready` is an address that answers.

    Args:
        command: The program and its arguments.
        ready: An address.
        log: File for what it prints.
        grace_s: How long it may take to end by itself.
        environment: More of it.
    """
    with log.open("w") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            env={**os.environ, **environment},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            wait_for(f"answer at {ready}", lambda: get(ready) or True, process=process, log=log)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(grace_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


class Collector:
    """The shipped configuration, with ports of its own and what it lets through in a file.

    Attributes:
        otlp: Where applications send to, over HTTP.
        metrics: Where Prometheus scrapes what applications measure.
        own_metrics: Where it scrapes how the collector itself is.
    """

    def __init__(self, folder):
        grpc, http, health, own, metrics = free_ports(5)
        self.otlp = f"http://127.0.0.1:{http}"
        self.metrics = f"127.0.0.1:{metrics}"
        self.own_metrics = f"127.0.0.1:{own}"
        self._health = f"http://127.0.0.1:{health}"
        self._folder = folder
        self._log = folder / "collector.log"
        own_metrics = {"prometheus": {"host": "127.0.0.1", "port": own}}
        self._override = {
            "receivers": {
                "otlp": {
                    "protocols": {
                        "grpc": {"endpoint": f"127.0.0.1:{grpc}"},
                        "http": {"endpoint": f"127.0.0.1:{http}"},
                    }
                }
            },
            "extensions": {"health_check": {"endpoint": f"127.0.0.1:{health}"}},
            "exporters": {
                "prometheus": {"endpoint": self.metrics},
                **{
                    f"file/{kind}": {"path": str(self._file(kind)), "flush_interval": "50ms"}
                    for kind in ("traces", "logs")
                },
            },
            # What takes minutes in life takes a second here.
            "processors": {
                "batch": {"timeout": "50ms"},
                "tail_sampling": {
                    "decision_wait": "15s",
                    "decision_wait_after_root_received": "1s",
                },
            },
            "connectors": {"span_metrics": {"metrics_flush_interval": "200ms"}},
            "service": {
                "telemetry": {"metrics": {"readers": [{"pull": {"exporter": own_metrics}}]}},
                "pipelines": {"logs": {"exporters": ["file/logs"]}},
            },
        }

    def _file(self, kind):
        return self._folder / f"{kind}.jsonl"

    @contextlib.contextmanager
    def running(self, *shipped, **environment):
        """Run it with the files of the folder `collector` that are named."""
        # Of two lists the later one holds: that of the last file, and the file for the test.
        last = yaml.safe_load((FOLDER / shipped[-1]).read_text())
        kept = last["service"]["pipelines"]["traces/sampled"]["exporters"]
        pipelines = self._override["service"]["pipelines"]
        pipelines["traces/sampled"] = {"exporters": [*kept, "file/traces"]}
        override = self._folder / "override.yaml"
        override.write_text(yaml.safe_dump(self._override))
        files = [f"--config={path}" for path in (*(FOLDER / name for name in shipped), override)]
        command = [program("OTELCOL"), *files]
        with running(command, self._health, self._log, **environment):
            yield self

    @property
    def kept(self):
        """All that was kept, as it left the collector."""
        files = [self._file(kind) for kind in ("traces", "logs")]
        return "".join(file.read_text() for file in files if file.exists())

    def spans(self):
        """The spans that were kept, as OTLP in JSON, in the order of their start."""
        found = self._records("traces", ("resourceSpans", "scopeSpans", "spans"))
        return sorted(found, key=lambda span: int(span["startTimeUnixNano"]))

    def logs(self):
        """The log records that came through, as OTLP in JSON."""
        return self._records("logs", ("resourceLogs", "scopeLogs", "logRecords"))

    def _records(self, kind, path):
        file = self._file(kind)
        found = (
            [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []
        )
        for step in path:
            found = [below for one in found for below in one[step]]
        return found


@contextlib.contextmanager
def running_jaeger(folder):
    """Run Jaeger; enter with the address of its OTLP receiver and that of its query API."""
    grpc, health, query = free_ports(3)
    file = folder / "jaeger.yaml"
    file.write_text(yaml.safe_dump(_all_in_one(grpc, health, query)))
    address = f"http://127.0.0.1:{query}"
    command = [program("JAEGER"), f"--config={file}"]
    # It would take ten seconds to say goodbye to its clients; nothing that it holds is kept.
    with running(command, address, folder / "jaeger.log", grace_s=1):
        yield f"127.0.0.1:{grpc}", address


def _all_in_one(grpc, health, query):
    """Jaeger's own all-in-one configuration, with ports of ours and without what is not asked."""
    return {
        "extensions": {
            "healthcheckv2": {"use_v2": True, "http": {"endpoint": f"127.0.0.1:{health}"}},
            "jaeger_storage": {"backends": {"some": {"memory": {"max_traces": 10_000}}}},
            "jaeger_query": {
                "storage": {"traces": "some"},
                "http": {"endpoint": f"127.0.0.1:{query}"},
                "grpc": {"endpoint": "127.0.0.1:0"},
            },
        },
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{grpc}"}}}},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "some"}},
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query", "healthcheckv2"],
            "telemetry": {"metrics": {"level": "none"}},
            "pipelines": {
                "traces": {"receivers": ["otlp"], "exporters": ["jaeger_storage_exporter"]}
            },
        },
    }


def attributes(record):
    """Return the attributes of a span, an event or a log record as plain values."""
    return {pair["key"]: _value(pair["value"]) for pair in record.get("attributes", ())}


def _value(value):
    ((kind, held),) = value.items()
    if kind == "arrayValue":
        return [_value(one) for one in held.get("values", ())]
    return int(held) if kind == "intValue" else held


def run_instrumented(collector, folder, *command, **environment):
    """Run a program below `opentelemetry-instrument`; everything it tells goes to the collector.

    Args:
        collector: Where to.
        folder: Where the program runs.
        command: The program, installed beside this Python, and its arguments.
        environment: More of it.

    Returns:
        What the program printed.
    """
    told = {
        "OTEL_SERVICE_NAME": SERVICE,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.otlp,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_METRIC_EXPORT_INTERVAL": "300",
        "NO_PROXY": "127.0.0.1",
        "PYTHONPATH": str(ROOT),
    }
    beside = Path(sys.executable)
    done = subprocess.run(
        [beside.with_name("opentelemetry-instrument"), beside.with_name(command[0]), *command[1:]],
        cwd=folder,
        env={**os.environ, **told, **environment},
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
