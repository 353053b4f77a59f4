"""What the blocks of the pages find: a model behind a local server, and the files of a reader."""

import asyncio
import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

import compact_otel
from compact_otel.testing import Echo, LocalOpenAI
from tests.cli.archives import Files
from tests.cli.calls import REQUEST
from tests.cli.manual import recorded
from tests.docs.pages import ROOT

APP = """\
from agents import Agent, OpenAIResponsesModel, Runner, set_tracing_disabled
from openai import AsyncOpenAI

import compact_otel

compact_otel.instrument()
set_tracing_disabled(True)
model = OpenAIResponsesModel("gpt-4o", openai_client=AsyncOpenAI())
print(Runner.run_sync(Agent("clerk", model=model), "Hello").final_output)
"""


@pytest.fixture(scope="session")
def openai():
    with LocalOpenAI(Echo()) as api:
        yield api


class _Collector(BaseHTTPRequestHandler):
    """Takes whatever is sent to a collector."""

    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture(scope="session")
def collector():
    """Serve as a collector; return its address. Nobody waits for one that is not there."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="session")
def archived(tmp_path_factory):
    """Return a folder with an archive in which a session was compacted."""
    folder = tmp_path_factory.mktemp("archived")
    Files(folder / "archive").compact("user_123")
    return folder / "archive"


@pytest.fixture
def environment(openai, collector, monkeypatch):
    """Have nothing but the local model within reach, and no settings; return the environment."""
    for name in os.environ:
        if name.startswith(("COMPACT_", "OTEL_")) or name == "UV_LOCKED":
            monkeypatch.delenv(name)
    closed = "http://127.0.0.1:9"
    given = {
        "OPENAI_API_KEY": "sk-of-a-test",
        "OPENAI_BASE_URL": openai.base_url,
        "OPENAI_AGENTS_DISABLE_TRACING": "1",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector,
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "COLUMNS": "120",
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "UV_PROJECT": str(ROOT),
        "UV_FROZEN": "1",
        "UV_NO_SYNC": "1",
        "UV_OFFLINE": "1",
        "http_proxy": closed,
        "https_proxy": closed,
        "no_proxy": "127.0.0.1,localhost",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return {name: value for name, value in os.environ.items() if name != "COVERAGE_PROCESS_START"}


@pytest.fixture
def desk(tmp_path, monkeypatch, archived):
    """Change to a folder with what a reader has at hand."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "session.json").write_text(json.dumps(recorded()[0]))
    (tmp_path / "request.json").write_text(json.dumps(REQUEST))
    (tmp_path / ".env").write_text("OPENAI_API_KEY=sk-...\nCOMPACT_TRIGGER_PCT=0.8\n")
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / ".compact").mkdir()
    (tmp_path / ".compact" / "archive").symlink_to(archived)
    return tmp_path


@pytest.fixture
def loop():
    """Have an event loop of its own, as `Runner.run_sync` leaves the default one open."""
    made = asyncio.new_event_loop()
    asyncio.set_event_loop(made)
    yield made
    made.run_until_complete(made.shutdown_asyncgens())
    made.close()
    asyncio.set_event_loop(None)


@pytest.fixture
def switched_off():
    yield
    compact_otel.uninstrument()
