"""Every sample of the corpus in every place of a run: nothing that leaves the process has it.

Checkpoints are the one exception (see SECURITY.md): their summary is sent to the model again.
"""

import base64
import html
import json
import logging

import pytest
from agents import Agent, OpenAIResponsesModel, RunConfig, Runner, SQLiteSession, function_tool
from click.testing import CliRunner
from opentelemetry.exporter.otlp.proto.common._internal.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.metrics_encoder import encode_metrics

import compact_otel
from compact_otel import recall_tool
from compact_otel.adapters import FileStorage
from compact_otel.cli import main
from compact_otel.core.types import CallContext
from compact_otel.exporters.ariadne import AriadneSpanExporter
from compact_otel.exporters.ariadne.payload import encoded
from compact_otel.testing import LocalOpenAI, Step
from tests.histories import Summarizer, assistant, call, manager, output, user
from tests.security.corpus import SAMPLES
from tests.telemetry.conftest import Signals

# Of fewer characters one may stand in a count, a time or a hash by chance.
TOLD = [sample for sample in SAMPLES if len(sample.secret) >= 7]
TOKEN = next(sample.secret for sample in SAMPLES if sample.name == "GitHub token")
ADDRESS = next(sample.secret for sample in SAMPLES if sample.name == "e-mail")


def nested(text):
    return json.dumps({"rows": [{"note": text, "more": json.dumps({"inner": text})}]})


def history():
    """Return the samples in messages, arguments, outputs and reasoning, plain and wrapped."""
    items = []
    for number, sample in enumerate(SAMPLES):
        text, ident = sample.text, f"c{number}"
        coded = base64.b64encode(f"a note: {text}".encode()).decode()
        items += [
            user(f"{number}: {text}"),
            {"role": "user", "content": [{"type": "input_text", "text": text}]},
            call(ident, arguments=json.dumps({"q": text, "nested": {"deep": [text]}})),
            output(ident, nested(text)),
            call(f"{ident}e"),
            output(f"{ident}e", f"Traceback (most recent call last):\nValueError: bad {text!r}"),
            assistant(f"It says {text}; encoded {coded}"),
        ]
    return items


def seen_in(data):
    """Return the names of the samples whose secret stands in what left."""
    text = data.decode("utf-8", "replace") if isinstance(data, bytes) else data
    forms = {sample.name: {sample.secret, json.dumps(sample.secret)[1:-1]} for sample in TOLD}
    return sorted(name for name, seen in forms.items() if any(form in text for form in seen))


def archived(path):
    files = [file for file in path.rglob("*") if file.is_file()]
    names = "\n".join(str(file.relative_to(path)) for file in files)
    kept = [file.read_bytes() for file in files if file.name != "checkpoints.jsonl"]
    return names.encode() + b"\n".join(kept)


class Failing(Summarizer):
    """A summariser that quotes all that it was given."""

    def summarize(self, request):
        raise ValueError(" | ".join(str(item) for item in request.items))


@pytest.fixture
def signals(monkeypatch):
    monkeypatch.setenv("OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT", "SPAN_AND_EVENT")
    made = Signals()
    yield made
    compact_otel.uninstrument()
    made.shut()


def leaving(signals):
    """Return what goes to OpenTelemetry and to the viewer, as the bytes that are sent."""
    exporter = AriadneSpanExporter("http://127.0.0.1:1")
    logs = [event.record for event in signals.log_events]
    return {
        "signals": signals.everything,
        "OTLP spans": encode_spans(signals.spans).SerializeToString(),
        "OTLP logs": encode_logs(logs).SerializeToString(),
        "OTLP metrics": encode_metrics(signals._reader.get_metrics_data()).SerializeToString(),
        "Ariadne": b"".join(encoded(row) for row in exporter._made(signals.spans)),
    }


@function_tool(name_override=f"look_up_{TOKEN}")
def look_up(question: str) -> str:
    """Return what is known."""
    raise ValueError(f"cannot read {TOKEN} of {ADDRESS}")


def looks_up_recalls_and_answers(request):
    steps = [
        Step(calls=[(f"look_up_{TOKEN}", {"question": f"who is {ADDRESS}"})], reasoning=True),
        Step(calls=[("recall_conversation", {"query": f"password of {ADDRESS}"})]),
    ]
    return steps[request.number - 1] if request.number <= len(steps) else Step(f"Use {TOKEN}")


async def test_nothing_leaks_from_a_run_of_the_agents_sdk(signals, tmp_path, capsys, caplog):
    caplog.set_level(logging.DEBUG, "compact_otel")
    compact_otel.instrument(
        max_context_tokens=30_000,
        keep_recent_turns=1,
        storage={"path": str(tmp_path / "archive")},
        summarizer=Failing(),
        telemetry={"events": "both", "exporter": "console", "agent_spans": "on"},
        **signals.providers,
    )
    session = SQLiteSession(f"{ADDRESS} {TOKEN}")
    await session.add_items(history())
    with LocalOpenAI(looks_up_recalls_and_answers) as api:
        agent = Agent(
            f"Clerk of {ADDRESS}",
            instructions=f"The key is {TOKEN}",
            model=OpenAIResponsesModel("gpt-4o", api.client()),
            tools=[look_up, recall_tool()],
        )
        with signals.tracer().start_as_current_span("application"):
            config = RunConfig(session_input_callback=lambda old, new: [*old, *new])
            done = await Runner.run(
                agent, [user(f"and {ADDRESS}?")], session=session, run_config=config
            )
    session.close()
    assert TOKEN in done.final_output  # what the user gets is not ours to change
    archive = archived(tmp_path)
    left = leaving(signals) | {"archive": archive, "console": capsys.readouterr().err}
    left["log"] = caplog.text
    assert {place: names for place, data in left.items() if (names := seen_in(data))} == {}
    assert archive.count(b"<REDACTED>") > 5 * len(SAMPLES)
    assert b"transcript-pre-compact-001.jsonl" in archive
    assert {"compact.summary_created", "compact.recall"} <= {e.name for e in signals.log_events}
    assert "<REDACTED>" in left["signals"]
    assert b"<REDACTED>" in left["Ariadne"]


def test_a_session_whose_id_is_a_secret_is_named_by_a_hash_everywhere(signals, tmp_path, capsys):
    made = manager(900, storage=FileStorage(tmp_path), events="both", **signals.providers)
    for sample in TOLD:
        named = CallContext(model=sample.text, agent=sample.text, conversation=sample.text)
        made.preflight(sample.text, [user(f"hello {n}") for n in range(3)], call=named)
        storage = FileStorage(tmp_path)
        storage.save_transcript(sample.text, [{"role": "user", "content": "hello"}])
        assert storage.load_transcript(sample.text, 1) == [{"role": "user", "content": "hello"}]
    assert seen_in(archived(tmp_path)) == []
    assert {place: n for place, data in leaving(signals).items() if (n := seen_in(data))} == {}
    assert all(
        FileStorage(tmp_path).steps(ident) == [1] for ident in FileStorage(tmp_path).sessions()
    )
    assert len(FileStorage(tmp_path).sessions()) == len(TOLD)


def test_the_corpus_is_seen_where_nothing_is_redacted(tmp_path):
    """Or the tests above could not fail."""
    FileStorage(tmp_path, redact=False).save_transcript("s", history())
    assert len(seen_in(archived(tmp_path))) == len(TOLD)


def test_what_is_redacted_is_never_the_users_own_object(tmp_path):
    items = history()
    before = json.dumps(items)
    same = [id(item) for item in items]
    storage = FileStorage(tmp_path)
    storage.save_transcript("s", items)
    storage.save_summary("s", 1, {"text": SAMPLES[0].text, "items": items})
    storage.save_event("s", {"event": "x", "items": items})
    assert json.dumps(items) == before
    assert [id(item) for item in items] == same


def test_the_log_tells_a_failure_of_ours_without_what_is_secret(caplog, monkeypatch):
    def failing(*args, **options):
        raise RuntimeError(f"could not plan for {ADDRESS} with {TOKEN}")

    monkeypatch.setattr("compact_otel.engine.runs.drive", failing)
    caplog.set_level(logging.DEBUG, "compact_otel")
    assert manager(900).preflight("s", history()).outcome == "error"
    assert "the failure in full" in caplog.text
    assert "could not plan for <REDACTED> with <REDACTED>" in caplog.text
    assert seen_in(caplog.text) == []


COMMANDS = {
    "report": ["report", "{session}", "--path", "{archive}", "-o", "-"],
    "report, its data": ["report", "{session}", "--path", "{archive}", "--json"],
    "status": ["status", "{session}", "--path", "{archive}"],
    "diff": ["diff", "{history}", "--full", "--window", "30000"],
    "diff, its page": ["diff", "{history}", "--full", "--window", "30000", "--html", "-"],
    "dry-run": ["dry-run", "{history}", "--preview", "--window", "30000"],
    "report of a file": ["report", "{history}", "--window", "30000", "-o", "-"],
    "show": ["archive", "show", "{session}", "--path", "{archive}"],
}


@pytest.fixture(scope="module")
def lived(tmp_path_factory):
    """An archive of the corpus, the same as a file, and the session's id."""
    path, ident = tmp_path_factory.mktemp("lived"), f"{ADDRESS} {TOKEN}"
    made = manager(30_000, storage=FileStorage(path / "archive"))
    assert made.manual_compact(ident, history()).outcome == "compacted"
    (path / "history.json").write_text(json.dumps(history()))
    return {"session": ident, "archive": path / "archive", "history": path / "history.json"}


class Bare(Summarizer):
    """A summariser that says all secrets again, without what showed them to be some."""

    def summarize(self, request):
        return "They said " + " and ".join(sample.secret for sample in TOLD) + "."


def remembering(path, signals=None, **settings):
    """Return a manager whose summary has said all that is secret, and what it says to the model."""
    made = manager(
        30_000,
        storage=FileStorage(path),
        summarizer=Bare(),
        summary_max_tokens=10_000,
        **(signals.providers if signals else {}),
        **settings,
    )
    result = made.manual_compact("s", history())
    assert result.outcome == "compacted"
    return made, json.dumps([*map(str, result.messages)])


def test_a_summary_does_not_say_what_its_source_shows_to_be_secret(signals, tmp_path):
    _, sent = remembering(tmp_path, signals, events="both")
    assert len(seen_in(sent)) == len(TOLD)  # to the model it goes as it is
    left = leaving(signals) | {"archive": archived(tmp_path)}
    assert {place: names for place, data in left.items() if (names := seen_in(data))} == {}
    said = json.loads((tmp_path / "s" / "summary-001.json").read_text())["summary"]
    assert said.count("<REDACTED> and") > len(TOLD) / 2


@pytest.fixture(scope="module")
def said_bare(tmp_path_factory):
    """An archive whose summary has said all that is secret."""
    path = tmp_path_factory.mktemp("bare")
    remembering(path)
    return {"session": "s", "archive": path, "history": ""}


@pytest.mark.parametrize("command", ["report", "report, its data", "status", "show"])
def test_no_command_shows_what_a_summary_says_bare(said_bare, command):
    parts = [part.format(**said_bare) for part in COMMANDS[command]]
    result = CliRunner().invoke(main, parts)
    assert result.exit_code == 0, result.output
    assert seen_in(html.unescape(result.output)) == []


@pytest.mark.parametrize("more", [[], ["--json"]])
def test_a_summary_that_was_pruned_is_not_shown_from_its_checkpoint(tmp_path, more):
    remembering(tmp_path)
    (tmp_path / "s" / "summary-001.json").unlink()
    result = CliRunner().invoke(main, ["status", "s", "--path", str(tmp_path), *more])
    assert result.exit_code == 0, result.output
    assert seen_in(result.output) == []
    assert "They said" not in result.output
    assert "pruned" in result.output
    assert "stands for" in result.output or json.loads(result.output)["version"] == 1


@pytest.mark.parametrize("more", [["--full"], ["--json"], ["--html", "-"]])
def test_a_diff_does_not_name_people_whom_its_items_hide(tmp_path, more):
    items = []
    for number in range(12):
        said = {"id": f"K-{number}", "first_name": f"Zebulon{chr(97 + number)}", "password": "moon"}
        items += [
            user(f"Go on with step {number}."),
            call(f"c{number}"),
            output(f"c{number}", json.dumps({**said, "note": "pending " * 30})),
            assistant(f"Customer K-{number} is done."),
        ]
    (tmp_path / "call.json").write_text(json.dumps(items))
    result = CliRunner().invoke(
        main, ["diff", str(tmp_path / "call.json"), "--target", "700", *more]
    )
    assert result.exit_code == 0, result.output
    assert "first_name" in result.output
    assert "Zebulon" not in result.output


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_shows_a_secret(lived, command):
    parts = [part.format(**lived) for part in COMMANDS[command]]
    result = CliRunner().invoke(main, parts)
    assert result.exit_code == 0, result.output
    shown = html.unescape(result.output)
    assert "<REDACTED>" in shown
    assert seen_in(shown) == []
