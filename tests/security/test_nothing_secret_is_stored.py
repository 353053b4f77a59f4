"""No file that is written to disk, and no line on the console, holds a secret."""

import json

from compact_otel.adapters import FileStorage
from compact_otel.exporters import ConsoleExporter

OPENAI = "sk-" + "proj-Ab3dEfGh1jKlMnOp4rStUvWx"
AWS = "AKIA" + "IOSFODNN7EXAMPLE"
SECRETS = ("hunter2", OPENAI, AWS, "b3arerT0ken")
HISTORY = [
    {"role": "user", "content": f"use {OPENAI}, password: hunter2"},
    {
        "type": "function_call",
        "call_id": "c",
        "name": "write",
        "arguments": json.dumps({"content": f"A=1\nAPI_KEY={AWS}\nB=2", "password": "hunter2"}),
    },
    {
        "type": "function_call_output",
        "call_id": "c",
        "output": [{"type": "input_text", "text": '{"Authorization": "Bearer b3arerT0ken"}'}],
    },
]


def test_the_archive_holds_no_secret_and_keeps_the_rest(tmp_path):
    storage = FileStorage(tmp_path)
    receipt = storage.save_transcript("s", HISTORY)
    storage.save_summary("s", 1, {"text": f"The key is {OPENAI}", "api_key": "hunter2"})
    storage.save_event("s", {"event": "compact.error", "message": "password=hunter2"})
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode()
    assert receipt.redacted
    assert stored.count("<REDACTED>") == 8
    assert not [secret for secret in SECRETS if secret in stored]
    assert "A=1\\\\nAPI_KEY=<REDACTED>\\\\nB=2" in stored


def test_the_console_shows_no_secret(capsys):
    for item in HISTORY:
        ConsoleExporter().export({"ts": 1, "session_id": "s", "event": "e", "item": item})
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 3
    assert not [secret for secret in SECRETS if secret in shown]
