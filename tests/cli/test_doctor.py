"""`compactctl doctor`: what a new user's slips look like, and that nothing is done on the way."""

import json
import socket
import subprocess
import sys
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

from compact_otel import CompactManager, ConfigError, manager
from compact_otel.adapters import packing, s3
from compact_otel.cli import main
from compact_otel.doctor import command, package
from tests.adapters.packed import KEY
from tests.exporters.ariadne_server import AriadneServer

GATE = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
CALM = {
    "OTEL_TRACES_EXPORTER": "none",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_LOGS_EXPORTER": "none",
}


@pytest.fixture
def doctor(tmp_path, monkeypatch):
    """Run `compactctl doctor --json` in an empty folder: exit code, and findings by state."""
    monkeypatch.chdir(tmp_path)

    def run(**environment):
        env = {**CALM, **environment}
        result = CliRunner().invoke(main, ["doctor", "--json", "--timeout", "0.5"], env=env)
        figures = json.loads(result.stdout)
        found = {"ok": [], "note": [], "problem": []}
        for finding in figures["findings"]:
            found[finding["state"]].append(f"{finding['text']} {finding['remedy']}")
        assert figures["problems"] == len(found["problem"])
        return result.exit_code, found

    return run


@pytest.fixture
def nobody():
    """Return an address at which nobody listens."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{closed.getsockname()[1]}"


@pytest.fixture
def somebody():
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def test_where_all_is_well_nothing_stands_in_the_way(doctor, tmp_path):
    code, found = doctor()
    assert (code, found["problem"]) == (0, [])
    said = " ".join(found["ok"])
    for words in ("openai-agents", "tiktoken:o200k_base", ".compact/archive can be written",
                  "opentelemetry-instrument finds", "extractive"):  # fmt: skip
        assert words in said
    assert list(tmp_path.iterdir()) == [], "nothing is written"


SLIPS = {
    "a misspelt setting": (
        {"COMPACT_TRIGER_PCT": "0.5"},
        ("COMPACT_TRIGER_PCT is not a setting", "did you mean COMPACT_TRIGGER_PCT"),
    ),
    "an impossible value": (
        {"COMPACT_TRIGGER_PCT": "85"},
        ("trigger_pct", "85", "Correct or unset it"),
    ),
    "a misspelt exporter": (
        {"OTEL_TRACES_EXPORTER": "otlp_proto_http,ariadn"},
        ("ariadn", "runs without any telemetry", "Use one of ariadne, console"),
    ),
    "a misspelt metrics exporter": (
        {"OTEL_METRICS_EXPORTER": "prometeus"},
        ("OTEL_METRICS_EXPORTER", "prometeus"),
    ),
    "the port of the other protocol": (
        {
            "OTEL_TRACES_EXPORTER": "otlp",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        },
        ("127.0.0.1:4318", "usual port of http/protobuf", "OTEL_EXPORTER_OTLP_PROTOCOL"),
    ),
    "a protocol that is none": (
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
        ("'http/json'", "Use one of grpc, http/protobuf"),
    ),
    "an address that is none": (
        {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://:port"},
        ("'http://:port'", "Write it as http://localhost:4317"),
    ),
    "a summariser without a key": (
        {"COMPACT_SUMMARIZER_MODEL": "gpt-4o-mini", "OPENAI_API_KEY": ""},
        ("gpt-4o-mini", "OPENAI_API_KEY is not set", "unset COMPACT_SUMMARIZER_MODEL"),
    ),
    "misspelt events": (
        {"COMPACT_EVENTS": "logs"},
        (
            "COMPACT_EVENTS",
            "span, log, both",
            "'logs'",
            "counts as not set",
            "Correct it, or unset",
        ),
    ),
    "misspelt spans": (
        {"COMPACT_SPANS": "trigger"},
        ("COMPACT_SPANS", "always, triggered", "'trigger'", "counts as not set"),
    ),
    "the content gate of earlier days": (
        {GATE: "true"},
        (GATE, "'true'", "no content goes out", "SPAN_ONLY (events of spans)"),
    ),
    "a misspelt value of the content gate": (
        {GATE: "span-olny"},
        (GATE, "'span-olny'", "no content goes out", "Did you mean SPAN_ONLY?"),
    ),
    "a misspelt content gate": (
        {"OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGES_CONTENT": "SPAN_ONLY"},
        ("nobody reads", "CAPTURE_MESSAGES_CONTENT", f"Did you mean {GATE}?"),
    ),
    "an archive that cannot be written": (
        {"COMPACT_STORAGE_PATH": "/proc/archive"},
        ("nothing can be written to /proc/archive", "COMPACT_STORAGE_PATH"),
    ),
}


@pytest.mark.parametrize("slip", SLIPS)
def test_a_slip_is_named_with_its_value_and_the_way_out(slip, doctor):
    environment, words = SLIPS[slip]
    code, found = doctor(**environment)
    assert code == 1
    assert any(all(word in text for word in words) for text in found["problem"]), found["problem"]


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({}, "can be written; not encrypted"),
        ({"COMPACT_STORAGE_ENCRYPTION_KEY": KEY}, "can be written; encrypted"),
        (
            {"COMPACT_STORAGE_ENCRYPTION_KEY": KEY, "COMPACT_STORAGE_ENCRYPT": "no"},
            "can be written; not encrypted",
        ),
    ],
)
def test_it_says_whether_the_archive_is_encrypted(environment, said, doctor):
    code, found = doctor(**environment)
    assert code == 0
    assert any(said in text for text in found["ok"])
    assert KEY not in str(found)


def test_it_asks_the_bucket_and_writes_nothing(doctor, s3_endpoint, bucket, s3_client):
    in_s3 = {"COMPACT_STORAGE_ADAPTER": "s3", "COMPACT_STORAGE_ENDPOINT": s3_endpoint}
    code, found = doctor(**in_s3, COMPACT_STORAGE_BUCKET=bucket)
    assert code == 0
    assert any(f"s3://{bucket}/compact/archive can be read" in text for text in found["ok"])
    assert "Contents" not in s3_client.list_objects_v2(Bucket=bucket)
    code, found = doctor(**in_s3, COMPACT_STORAGE_BUCKET="not-there")
    assert code == 1
    assert any("NoSuchBucket; create it" in text for text in found["problem"])


@pytest.mark.parametrize(
    ("package", "environment"),
    [
        ("boto3", {"COMPACT_STORAGE_ADAPTER": "s3", "COMPACT_STORAGE_BUCKET": "kept"}),
        ("cryptography", {"COMPACT_STORAGE_ENCRYPTION_KEY": KEY}),
    ],
)
def test_a_package_that_is_missing_is_named_at_once(package, environment, doctor, monkeypatch):
    def installed(name):
        return None if name == package else find_spec(name)

    for module in (s3, packing, manager):
        monkeypatch.setattr(module, "find_spec", installed)
    code, found = doctor(**environment)
    assert code == 1
    assert any(f"needs {package}: pip install" in text for text in found["problem"])
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=f"needs {package}: pip install 'compact-otel"):
        CompactManager()


def test_it_knocks_at_the_collector(doctor, somebody, nobody):
    by_otlp = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_METRICS_EXPORTER": "otlp"}
    code, found = doctor(**by_otlp, OTEL_EXPORTER_OTLP_ENDPOINT=somebody)
    assert code == 0
    assert any("traces, metrics by OTLP over grpc" in text for text in found["ok"])

    code, found = doctor(**by_otlp, OTEL_EXPORTER_OTLP_ENDPOINT=nobody)
    assert code == 1
    assert any("nobody listens there" in text for text in found["problem"])

    code, found = doctor(
        OTEL_TRACES_EXPORTER="", OTEL_EXPORTER_OTLP_ENDPOINT=nobody
    )  # nobody asked for it
    assert code == 0
    assert any("sends it there by itself" in text for text in found["note"])


@pytest.mark.parametrize(
    ("variable", "address", "host"),
    [
        ("OPENAI_BASE_URL", "https://svc:Hunter2Secret@llm.corp.example/v1", "llm.corp.example"),
        ("OPENAI_BASE_URL", "https://llm.corp.example/v1?code=Hunter2Secret", "llm.corp.example"),
        ("OPENAI_BASE_URL", "https://llm.corp.example/v1#Hunter2Secret", "llm.corp.example"),
        ("OPENAI_BASE_URL", "svc:Hunter2Secret@llm.corp.example/v1", "llm.corp.example"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://svc:Hunter2/Secret@127.0.0.1:9", "127.0.0.1:9"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://Hunter2/Secret@127.0.0.1:9", "127.0.0.1:9"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "svc:Hunter2?Secret@127.0.0.1:9", "127.0.0.1:9"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://[Hunter2@127.0.0.1:9", "127.0.0.1:9"),
        ("COMPACT_ARIADNE_URL", "http://u:Hunter2/Secret@viewer:5175", "viewer:5175"),
        ("COMPACT_ARIADNE_URL", "http://Hunter2/Secret@viewer:5175", "viewer:5175"),
        ("COMPACT_ARIADNE_URL", "u:Hunter2Secret@viewer:5175", "viewer:5175"),
        ("COMPACT_ARIADNE_URL", "http://viewer:5175?code=Hunter2Secret", "viewer:5175"),
        ("COMPACT_STORAGE_ENDPOINT", "s3:key:Hunter2Secret@minio:9000", "minio:9000"),
    ],
)
def test_no_password_of_an_address_is_shown(variable, address, host, doctor):
    _, found = doctor(
        **{variable: address},
        OTEL_TRACES_EXPORTER="otlp",
        COMPACT_SUMMARIZER_MODEL="gpt-4o-mini",
        OPENAI_API_KEY="local",
        **({"COMPACT_STORAGE_ADAPTER": "s3", "COMPACT_STORAGE_BUCKET": "b"}
           if variable.startswith("COMPACT_STORAGE") else {}),
    )  # fmt: skip
    said = str(found)
    assert "Hunter2" not in said
    assert "svc" not in said
    assert host in said


def test_it_knocks_where_the_setting_sends_spans(doctor, somebody, nobody):
    code, found = doctor(COMPACT_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=somebody)
    assert code == 0
    assert any("traces by OTLP over grpc" in text for text in found["ok"])
    code, found = doctor(COMPACT_EXPORTER="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=nobody)
    assert code == 1
    assert any("nobody listens there" in text for text in found["problem"])


def test_it_reads_the_file_of_the_folder(doctor, tmp_path):
    file = tmp_path / "compact.yaml"
    file.write_text("mode: observe\n")
    code, found = doctor()
    assert (code, found["problem"]) == (0, [])
    assert any("compact.yaml make sense" in text for text in found["ok"])
    assert any("`mode` is observe" in text for text in found["note"])
    file.write_text("mode: of\n")
    code, found = doctor()
    assert code == 1
    assert any("got 'of' (compact.yaml:1)" in text for text in found["problem"])


def test_it_asks_the_viewer_how_it_is(doctor, nobody):
    with AriadneServer() as viewer:
        code, found = doctor(COMPACT_EXPORTER="ariadne", COMPACT_ARIADNE_URL=viewer.endpoint)
        assert code == 0
        assert any("the viewer answers" in text for text in found["ok"])
        code, found = doctor(
            COMPACT_EXPORTER="ariadne",
            OTEL_TRACES_EXPORTER="ariadne",
            COMPACT_ARIADNE_URL=viewer.endpoint,
        )
        assert any("each span is sent twice" in text for text in found["problem"])
    code, found = doctor(COMPACT_EXPORTER="ariadne", COMPACT_ARIADNE_URL=nobody)
    assert code == 1
    assert any("no viewer answers" in text for text in found["problem"])


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"COMPACT_MODE": "off"}, "nothing is done or told"),
        ({"COMPACT_MODE": "observe"}, "nothing is"),
        ({"OTEL_SDK_DISABLED": "true"}, "nothing is told"),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "x, compact_otel"}, "it is not switched on"),
        ({"COMPACT_STORAGE_ADAPTER": "none"}, "cannot be read again"),
        ({"COMPACT_AGENT_SPANS": "off"}, "not shown below the agent"),
        ({"COMPACT_EVENTS": "log"}, "nobody who takes log records"),
        ({GATE: "span_only"}, "go out, redacted, on events of spans; the Ariadne viewer"),
        ({GATE: "EVENT_ONLY", "COMPACT_EVENTS": "both"}, "go out, redacted, on log records "),
        (
            {GATE: "SPAN_AND_EVENT", "COMPACT_EVENTS": "both"},
            "on events of spans and log records",
        ),
        ({GATE: "EVENT_ONLY"}, "COMPACT_EVENTS is span: no content of ours goes out"),
    ],
)
def test_what_may_be_meant_is_a_note_and_no_problem(environment, words, doctor):
    code, found = doctor(**environment)
    assert (code, found["problem"]) == (0, [])
    assert any(words in text for text in found["note"])


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "each model call has a span; its events are on it"),
        ({"COMPACT_SPANS": "triggered"}, "calls that are let through have no span"),
        ({"COMPACT_EVENTS": "both", "OTEL_LOGS_EXPORTER": "console"}, "log records, too"),
        ({}, "no content goes out: ids, names, counts"),
        ({GATE: "NO_CONTENT"}, "is NO_CONTENT"),
    ],
)
def test_what_is_told_and_what_is_not_is_said_where_all_is_well(environment, words, doctor):
    code, found = doctor(**environment)
    assert (code, found["problem"]) == (0, [])
    assert any(words in text for text in found["ok"])


def test_a_check_that_fails_does_not_hide_the_others(doctor, monkeypatch):
    def breaks(_):
        raise ValueError("out of order")

    monkeypatch.setattr(command, "CHECKS", (breaks, *command.CHECKS))
    code, found = doctor()
    assert code == 1
    assert found["problem"] == ["this could not be checked: ValueError: out of order "]
    assert len(found["ok"]) > 3


def test_on_a_terminal_what_to_do_stands_below_each_problem(tmp_path):
    done = subprocess.run(
        [Path(sys.executable).with_name("compactctl"), "doctor"],
        cwd=tmp_path,
        env={**CALM, "COMPACT_MODE": "of", "COLUMNS": "80", "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    shown = " ".join(done.stdout.split())
    assert "problem settings mode must be one of compact, observe, off, got 'of'" in shown
    assert shown.endswith("1 problem; what to do stands below each.")
    assert done.stderr == ""


@pytest.mark.parametrize("found", ["0.13.9", None])
def test_an_agents_sdk_that_is_missing_or_too_old_is_a_problem_with_a_way_out(
    doctor, monkeypatch, found
):
    def version(name):
        if found is None:
            raise metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr(package.metadata, "version", version)
    code, said = doctor()
    (problem,) = (text for text in said["problem"] if "openai-agents" in text)
    assert code == 1
    assert "not installed" in problem if found is None else "0.13.9" in problem
    assert "0.14" in problem  # what to install
