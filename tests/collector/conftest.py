"""One real agent run through the real collector, with Prometheus and Jaeger behind it if there are.

application --OTLP--> collector <--scrapes-- Prometheus
                          +------OTLP------> Jaeger
"""

import contextlib

import pytest
import yaml

from tests.collector.agent import CASES, ROUNDS
from tests.collector.programs import (
    FOLDER,
    Collector,
    find,
    free_ports,
    get_json,
    program,
    run_instrumented,
    running,
    running_jaeger,
    wait_for,
)


@pytest.fixture(scope="session")
def jaeger(tmp_path_factory):
    """Run Jaeger; return the address of its OTLP receiver and that of its query API, or None."""
    if find("JAEGER") is None:
        yield None
        return
    with running_jaeger(tmp_path_factory.mktemp("jaeger")) as addresses:
        yield addresses


@pytest.fixture(scope="session")
def observed(tmp_path_factory, jaeger):
    """Run the agent through the collector; return it when all that was kept has come through.

    The collector goes on running, and so does Prometheus, which has watched from the start.
    """
    program("OTELCOL")
    folder = tmp_path_factory.mktemp("observed")
    collector = Collector(folder)
    files, environment = ["otelcol.yaml"], {}
    if jaeger is not None:  # and no Tempo: a backend that is down must not cost the others anything
        files.append("otelcol-backends.yaml")
        environment = {"JAEGER_OTLP_GRPC": jaeger[0], "TEMPO_OTLP_HTTP": "http://127.0.0.1:9"}
    with contextlib.ExitStack() as stack:
        stack.enter_context(collector.running(*files, **environment))
        collector.prometheus = stack.enter_context(_prometheus(collector, folder))
        run_instrumented(
            collector,
            folder,
            "python",
            "-m",
            "tests.collector.agent",
            OTEL_TRACES_EXPORTER="otlp,ariadne",  # nobody listens there, which is counted as well
            COMPACT_ARIADNE_URL="http://127.0.0.1:9",
        )
        wait_for("last trace", lambda: len(roots(collector)) == len(CASES) * ROUNDS)
        yield collector


def roots(collector):
    """Return the roots of the traces that were kept."""
    return [span for span in collector.spans() if not span.get("parentSpanId")]


@contextlib.contextmanager
def _prometheus(collector, folder):
    """Run Prometheus with the shipped configuration and rules; enter with its address, or None."""
    found = find("PROMETHEUS")
    if found is None:
        yield None
        return
    config = yaml.safe_load((FOLDER / "prometheus" / "prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "250ms", "evaluation_interval": "500ms"}
    config["rule_files"] = [str(FOLDER / "prometheus" / "rules" / "*.yml")]
    config["scrape_configs"][0]["static_configs"] = [{"targets": [collector.metrics]}]
    config["scrape_configs"][1]["static_configs"] = [{"targets": [collector.own_metrics]}]
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    (port,) = free_ports(1)
    address = f"http://127.0.0.1:{port}"
    command = [
        found,
        f"--config.file={file}",
        f"--storage.tsdb.path={folder / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
    ]
    with running(command, f"{address}/-/ready", folder / "prometheus.log"):
        yield address


@pytest.fixture
def query(observed):
    """Return what runs PromQL on what Prometheus scraped."""
    program("PROMETHEUS")

    def ask(expression):
        answer = get_json(f"{observed.prometheus}/api/v1/query", query=expression)
        return answer["data"]["result"]

    return ask
