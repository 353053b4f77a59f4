"""The console exporter: one redacted JSON line per event, and never an exception."""

import io
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from compact_otel.core.protocols import Exporter
from compact_otel.exporters import ConsoleExporter

EVENT = {
    "compact.tokens.before": 900,
    "event": "compact.token_estimate",
    "compact.phase": "before",
    "ts": "2025-01-02T03:04:05Z",
    "session_id": "s",
}


class Lines:
    def __init__(self):
        self.writes = []

    def write(self, text):
        self.writes.append(text)


def test_it_fits_the_protocol():
    assert isinstance(ConsoleExporter(), Exporter)


def test_an_event_is_one_line_on_stderr_with_its_keys_in_a_fixed_order(capsys):
    ConsoleExporter().export(EVENT)
    out, err = capsys.readouterr()
    assert out == ""
    assert err == (
        '{"ts": "2025-01-02T03:04:05Z", "session_id": "s", "event": "compact.token_estimate", '
        '"compact.phase": "before", "compact.tokens.before": 900}\n'
    )


def test_stderr_is_the_one_of_the_moment(monkeypatch):
    exporter = ConsoleExporter()
    later = io.StringIO()
    monkeypatch.setattr(sys, "stderr", later)
    exporter.export(EVENT)
    assert json.loads(later.getvalue()) == EVENT


def test_a_missing_key_is_left_out(capsys):
    ConsoleExporter().export({"event": "compact.error", "session_id": None})
    assert capsys.readouterr().err == '{"session_id": null, "event": "compact.error"}\n'


def test_an_event_is_redacted_and_not_changed():
    lines = Lines()
    event = {**EVENT, "error": "password=hunter2", "api_key": "x"}
    ConsoleExporter(lines).export(event)
    assert event["error"] == "password=hunter2"
    assert json.loads(lines.writes[0])["error"] == "password=<REDACTED>"
    assert "hunter2" not in lines.writes[0]
    assert json.loads(lines.writes[0])["api_key"] == "<REDACTED>"


def test_a_custom_redactor_replaces_the_default():
    class Nothing:
        def value(self, value, /):
            return {"event": value["event"]}

    lines = Lines()
    ConsoleExporter(lines, redactor=Nothing()).export(EVENT)
    assert lines.writes == ['{"event": "compact.token_estimate"}\n']


def test_a_line_is_one_write():
    lines = Lines()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ConsoleExporter(lines).export, [EVENT] * 200))
    assert len(lines.writes) == 200
    assert all(json.loads(line) == EVENT and line.endswith("\n") for line in lines.writes)


def test_a_line_break_in_a_value_breaks_no_line(capsys):
    ConsoleExporter().export({**EVENT, "session_id": "a\nb\u2028c"})
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_every_encoding_can_take_a_line():
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    ConsoleExporter(stream).export({**EVENT, "session_id": "日本 \ud800"})
    assert json.loads(raw.getvalue())["session_id"] == "日本 \ud800"


def test_what_is_not_json_is_written_as_text(capsys):
    ConsoleExporter().export({**EVENT, "odd": {1, 2}, "nan": float("nan"), 3: b"x"})
    line = json.loads(capsys.readouterr().err)
    assert (line["odd"], line["nan"], line["3"]) == ([1, 2], "nan", "x")


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


def broken_pipe():
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "wb", buffering=0)


class Broken:
    def __init__(self, pipe):
        self.pipe = pipe

    def write(self, text):
        self.pipe.write(text.encode())


def test_a_closed_stream_loses_the_line_and_nothing_else():
    ConsoleExporter(closed()).export(EVENT)


def test_a_broken_pipe_loses_the_line_and_nothing_else():
    with broken_pipe() as pipe:
        with pytest.raises(BrokenPipeError):
            Broken(pipe).write("shows that it is broken")
        ConsoleExporter(Broken(pipe)).export(EVENT)


def test_a_process_without_stderr_loses_the_line_and_nothing_else(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    ConsoleExporter().export(EVENT)


def test_an_event_that_is_no_mapping_is_no_exception(capsys):
    ConsoleExporter().export(None)
    assert capsys.readouterr().err == ""
